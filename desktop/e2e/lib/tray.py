"""A tray on the bus of a session, by the StatusNotifierItem specification, for programs to put an icon into.

    tray.py FOLDER

Writes what the icon says to FOLDER/tray.json whenever that changes, and its picture to FOLDER/icon.png. What stands in
FOLDER/do is done to it and removed: "press", or a label of its menu.
"""

import json
import os
import sys

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf, Gio, GLib  # noqa: E402

WATCHER = """
<node><interface name="org.kde.StatusNotifierWatcher">
<method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
<method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
<property name="RegisteredStatusNotifierItems" type="as" access="read"/>
<property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
<property name="ProtocolVersion" type="i" access="read"/>
<signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
<signal name="StatusNotifierHostRegistered"/>
</interface></node>
"""
ITEM, MENU = "org.kde.StatusNotifierItem", "com.canonical.dbusmenu"
LOOK_MS = 200


class Tray:
    def __init__(self, folder):
        self.folder, self.bus, self.owner, self.said = folder, None, None, None
        Gio.bus_own_name(Gio.BusType.SESSION, "org.kde.StatusNotifierWatcher", 0, self.on_bus, self.on_name, None)
        GLib.timeout_add(LOOK_MS, self.look)

    def on_bus(self, bus, _name):
        self.bus = bus
        interface = Gio.DBusNodeInfo.new_for_xml(WATCHER).interfaces[0]
        bus.register_object("/StatusNotifierWatcher", interface, self.on_call, self.on_read, None)

    def on_name(self, _bus, _name):
        self.write("tray.json", json.dumps({}).encode())

    def on_call(self, _bus, sender, _path, _interface, method, _arguments, invocation):
        if method == "RegisterStatusNotifierItem":
            self.owner = sender
        invocation.return_value(None)

    def on_read(self, _bus, _sender, _path, _interface, name):
        values = {
            "RegisteredStatusNotifierItems": GLib.Variant("as", [self.owner] if self.owner else []),
            "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
            "ProtocolVersion": GLib.Variant("i", 0),
        }
        return values[name]

    def call(self, path, interface, method, arguments):
        return self.bus.call_sync(self.owner, path, interface, method, arguments, None, 0, 5_000, None).unpack()

    def menu(self):
        arguments = GLib.Variant("(iias)", (0, -1, ["label"]))
        (_revision, (_id, _properties, entries)) = self.call("/MenuBar", MENU, "GetLayout", arguments)
        return {properties["label"]: number for number, properties, _children in entries if "label" in properties}

    def look(self):
        if self.owner is not None:
            try:
                self.read()
                self.obey()
            except GLib.Error:
                # The program has ended.
                self.owner, self.said = None, None
                self.write("tray.json", json.dumps({}).encode())
        return GLib.SOURCE_CONTINUE

    def read(self):
        arguments = GLib.Variant("(s)", (ITEM,))
        (found,) = self.call("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "GetAll", arguments)
        (_name, _pictures, title, text) = found["ToolTip"]
        said = {"title": title, "text": text, "menu": list(self.menu())}
        if said == self.said:
            return
        self.said = said
        (width, height, dots) = found["IconPixmap"][0]
        # From opacity first to opacity last.
        dots = bytes(byte for at in range(0, len(dots), 4) for byte in (*dots[at + 1 : at + 4], dots[at]))
        picture = GdkPixbuf.Pixbuf.new_from_bytes(GLib.Bytes.new(dots), GdkPixbuf.Colorspace.RGB, True, 8, width, height, width * 4)
        picture.savev(os.path.join(self.folder, "icon.png"), "png", [], [])
        self.write("tray.json", json.dumps(said).encode())

    def obey(self):
        path = os.path.join(self.folder, "do")
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as file:
            wanted = file.read()
        os.remove(path)
        if wanted == "press":
            self.call("/StatusNotifierItem", ITEM, "Activate", GLib.Variant("(ii)", (0, 0)))
        else:
            event = (self.menu()[wanted], "clicked", GLib.Variant("i", 0), 0)
            self.call("/MenuBar", MENU, "Event", GLib.Variant("(isvu)", event))

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)


if __name__ == "__main__":
    Tray(sys.argv[1])
    GLib.MainLoop().run()
