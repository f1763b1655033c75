"""Writes what the screen shows where a window is, as PNG, to standard output.

    shown.py WINDOW     its number for the X server

WebKit's own WebDriver takes no pictures of a page that is drawn without layers, and this is what a person sees.
"""

import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("GdkX11", "3.0")
from gi.repository import Gdk, GdkX11  # noqa: E402

window = GdkX11.X11Window.foreign_new_for_display(Gdk.Display.get_default(), int(sys.argv[1]))
_, left, top = window.get_origin()
picture = Gdk.pixbuf_get_from_window(
    Gdk.get_default_root_window(), left, top, window.get_width(), window.get_height()
)
_, png = picture.save_to_bufferv("png", [], [])
sys.stdout.buffer.write(png)
