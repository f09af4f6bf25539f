#!/usr/bin/python3
"""What a desktop's shell is to programs on its D-Bus: a tray and a place for notifications.

desktop-shell.py            is both, and prints a line of JSON for each notification and each change of a tray icon
desktop-shell.py press WORD presses the entry WORD of the only tray icon's menu

The tray is KDE's StatusNotifierItem with Canonical's menus (com.canonical.dbusmenu), which all of today's trays speak; the
notifications are of freedesktop.org's Desktop Notifications Specification 1.2.
"""

import json
import sys

from gi.repository import Gio, GLib

WATCHER = "org.kde.StatusNotifierWatcher"
NOTIFICATIONS = "org.freedesktop.Notifications"
MENU = "com.canonical.dbusmenu"
INTERFACES = Gio.DBusNodeInfo.new_for_xml(
    f"""
<node>
  <interface name="{WATCHER}">
    <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
    <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
    <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
    <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
    <property name="ProtocolVersion" type="i" access="read"/>
  </interface>
  <interface name="{NOTIFICATIONS}">
    <method name="GetCapabilities"><arg type="as" direction="out"/></method>
    <method name="GetServerInformation">
      <arg type="s" direction="out"/><arg type="s" direction="out"/>
      <arg type="s" direction="out"/><arg type="s" direction="out"/>
    </method>
    <method name="Notify">
      <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
      <arg type="a{{sv}}" direction="in"/><arg type="i" direction="in"/>
      <arg type="u" direction="out"/>
    </method>
    <method name="CloseNotification"><arg type="u" direction="in"/></method>
  </interface>
</node>"""
)


def tell(what):
    print(json.dumps(what), flush=True)


class Item:
    """One program's icon in the tray."""

    def __init__(self, bus, owner, path):
        self.bus, self.owner, self.path = bus, owner, path

    def property(self, name):
        answer = self.bus.call_sync(
            self.owner, self.path, "org.freedesktop.DBus.Properties", "Get",
            GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name)), None, 0, -1, None,
        )
        return answer.unpack()[0]

    def entries(self):
        """Number, label and whether it can be pressed, from the top."""
        answer = self.bus.call_sync(
            self.owner, self.property("Menu"), MENU, "GetLayout",
            GLib.Variant("(iias)", (0, -1, [])), None, 0, -1, None,
        )
        children = answer.unpack()[1][2]
        return [
            (number, properties["label"], properties.get("enabled", True))
            for number, properties, _ in children
            if "label" in properties
        ]

    def press(self, label):
        for number, words, enabled in self.entries():
            if words == label and enabled:
                event = GLib.Variant("(isvu)", (number, "clicked", GLib.Variant("i", 0), 0))
                self.bus.call_sync(self.owner, self.property("Menu"), MENU, "Event", event, None, 0, -1, None)
                return
        sys.exit(f"the menu has no {label} that can be pressed: {self.entries()}")

    def describe(self):
        labels = {label: enabled for _, label, enabled in self.entries()}
        return {"icon": self.property("IconName"), "entries": labels}


class Shell:
    def __init__(self, bus):
        self.bus, self.items, self.notified = bus, [], 0
        for interface in INTERFACES.interfaces:
            path = "/StatusNotifierWatcher" if interface.name == WATCHER else "/org/freedesktop/Notifications"
            bus.register_object(path, interface, self.called, self.read, None)

    def called(self, _bus, sender, _path, _interface, method, arguments, call):
        getattr(self, method)(call, sender, *arguments.unpack())

    def read(self, _bus, _sender, _path, _interface, name):
        if name == "RegisteredStatusNotifierItems":
            return GLib.Variant("as", [item.owner + item.path for item in self.items])
        return GLib.Variant("b", True) if name == "IsStatusNotifierHostRegistered" else GLib.Variant("i", 0)

    def RegisterStatusNotifierHost(self, call, _sender, _host):
        call.return_value(None)

    def RegisterStatusNotifierItem(self, call, sender, path):
        call.return_value(None)
        item = Item(self.bus, sender, path)
        self.items.append(item)
        changed = lambda *_: GLib.idle_add(self.describe, item)
        self.bus.signal_subscribe(sender, "org.kde.StatusNotifierItem", None, None, None, 0, changed)
        self.bus.signal_subscribe(sender, MENU, None, None, None, 0, changed)
        changed()

    def describe(self, item):
        tell({"tray": item.describe()})

    def GetCapabilities(self, call, _sender):
        call.return_value(GLib.Variant("(as)", (["body"],)))

    def GetServerInformation(self, call, _sender):
        call.return_value(GLib.Variant("(ssss)", ("shell", "test", "1", "1.2")))

    def Notify(self, call, _sender, app, _replaces, _icon, summary, body, _actions, _hints, _expires):
        self.notified += 1
        call.return_value(GLib.Variant("(u)", (self.notified,)))
        tell({"notification": {"app": app, "summary": summary, "body": body}})

    def CloseNotification(self, call, _sender, _number):
        call.return_value(None)


def main():
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    if sys.argv[1:2] == ["press"]:
        arguments = GLib.Variant("(ss)", (WATCHER, "RegisteredStatusNotifierItems"))
        answer = bus.call_sync(
            WATCHER, "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties", "Get", arguments, None, 0, -1, None
        )
        [item] = answer.unpack()[0]
        owner, slash, path = item.partition("/")
        Item(bus, owner, slash + path).press(sys.argv[2])
        return
    shell = Shell(bus)
    for name in (WATCHER, NOTIFICATIONS):
        Gio.bus_own_name_on_connection(bus, name, 0, None, None)
    tell({"ready": True})
    GLib.MainLoop().run()
    del shell


main()
