"""All metadata, written once over two engines."""
