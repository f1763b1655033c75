"""Another program, from which a person drags a file.

    hand.py drag FILE           a small window at the lower right; what is dragged out of it is the file

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


if __name__ == "__main__":
    if sys.argv[1] != "drag":
        sys.exit(__doc__)
    drag(sys.argv[2])
    Gtk.main()
