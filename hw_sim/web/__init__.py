"""The virtual bench in the browser (`cryo panel`): the device's front, and the plant beside it.

`engine` owns a bench and paces it, `scenario` is a session as a file, `port` lets the host tools
attach, `training` scores exercises, `tissue_view` follows the skin, `start` puts them together,
and `page` is the page itself: the only module that knows NiceGUI, imported when it is served.
"""
