"""The other servers: fragment clients, members, locate."""
