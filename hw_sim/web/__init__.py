"""The virtual bench in the browser (`cryo panel`): the device's front panel and the plant.

`engine` owns a bench and paces it, `scenario` is a session as a file, `port` lets the host tools
attach, `training` scores exercises, `tissue_view` follows the skin, `start` connects them, and
`page` is the page itself: the only module that uses NiceGUI, imported when it is served.
"""
