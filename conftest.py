"""How long nbval waits for what a finished cell still has to say."""


def pytest_itemcollected(item):
    # nbval gives each message 5 seconds, which a busy machine can exceed.
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60
