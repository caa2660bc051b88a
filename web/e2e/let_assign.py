#!/usr/bin/python3
"""Lets the hub of the console's tests assign releases to devices.

    let_assign.py POLDER HUB_URL ADMIN_TOKEN HUB_FOLDER NEW_FOLDER
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
import hubs  # noqa: E402

POLDER, URL, TOKEN, HUB_FOLDER, NEW_FOLDER = sys.argv[1:]
hub = hubs.Hub(None, HUB_FOLDER)
hub.port, hub.token = int(URL.rsplit(":", 1)[1]), TOKEN
hub.let_assign(POLDER, NEW_FOLDER)
