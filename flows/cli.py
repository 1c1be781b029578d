"""The command `broadsheet`."""


def main() -> None:
    raise SystemExit("not built yet")
