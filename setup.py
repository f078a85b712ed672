"""Packaging; the tool settings are in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["godos", "godos.*"]), "twisted.plugins"],
    package_dir={"": "."},
)
