"""What schemathesis cannot know by itself: how messages by the line are written."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    """The generated text as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
