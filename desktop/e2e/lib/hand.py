"""Another program, from which a person takes a file.

    hand.py drag FILE           a small window at the lower right; what is dragged out of it is the file
    hand.py copy FILE           it has copied the file, as file managers do
    hand.py copy-picture FILE   it has copied the picture of this file

Says "ready" once it is so, and goes on until it is ended.
"""

import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gio, GLib, Gtk  # noqa: E402

TITLE = "손"


def ready():
    print("ready", flush=True)
    return GLib.SOURCE_REMOVE


def drag(path):
    window = Gtk.Window(title=TITLE)
    window.set_default_size(110, 70)
    window.set_decorated(False)
    box = Gtk.EventBox()
    box.add(Gtk.Label(label=TITLE))
    box.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
    box.drag_source_add_uri_targets()
    uri = Gio.File.new_for_path(path).get_uri()
    box.connect("drag-data-get", lambda _box, _context, data, _info, _time: data.set_uris([uri]))
    window.add(box)
    window.show_all()
    window.move(1160, 815)
    window.set_keep_above(True)
    GLib.timeout_add(300, ready)


def copy(path):
    uri = Gio.File.new_for_path(path).get_uri()
    offer({"text/uri-list": uri + "\r\n", "x-special/gnome-copied-files": "copy\n" + uri, "UTF8_STRING": path})


def copy_picture(path):
    with open(path, "rb") as file:
        offer({"image/png": file.read()})


def offer(kinds):
    """Puts the same thing into the clipboard in several kinds."""
    window = Gtk.Window(type=Gtk.WindowType.POPUP)
    window.realize()
    clipboard = Gdk.SELECTION_CLIPBOARD
    for kind in kinds:
        Gtk.selection_add_target(window, clipboard, Gdk.Atom.intern(kind, False), 0)

    def give(_window, data, _info, _time):
        told = kinds[data.get_target().name()]
        data.set(data.get_target(), 8, told if isinstance(told, bytes) else told.encode())

    window.connect("selection-get", give)
    if not Gtk.selection_owner_set(window, clipboard, 0):
        sys.exit("the clipboard cannot be had")
    GLib.idle_add(ready)


WAYS = {"drag": drag, "copy": copy, "copy-picture": copy_picture}

if __name__ == "__main__":
    if sys.argv[1] not in WAYS:
        sys.exit(__doc__)
    WAYS[sys.argv[1]](sys.argv[2])
    Gtk.main()
