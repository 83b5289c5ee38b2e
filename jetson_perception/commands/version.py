"""The version of the package, however it was installed."""

from __future__ import annotations


def package_version() -> str:
    """Version as pip knows it; of what colcon installed, or a checkout, as package.xml says it."""
    from importlib import metadata
    from xml.etree import ElementTree

    from jetson_perception.resources import share_directory

    try:
        return metadata.version('jetson_perception')
    except metadata.PackageNotFoundError:
        manifest = ElementTree.parse(share_directory() / 'package.xml')
        return manifest.findtext('version', default='unknown')
