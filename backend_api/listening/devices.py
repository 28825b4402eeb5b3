"""What a listener uses, from the user agent: coarse on purpose, and nothing that identifies anybody is kept. Pure."""

_KINDS = (
    ("bot", ("bot", "crawl", "spider", "preview")),
    ("speaker", ("alexa", "sonos", "googlehome", "crkey")),
    ("tv", ("smart-tv", "smarttv", "appletv", "googletv", "hbbtv", "roku", "bravia")),
    ("tablet", ("ipad", "tablet", "kindle")),
    ("mobile", ("iphone", "ipod", "mobi", "android", "okhttp", "dart", "cfnetwork")),
    ("player", ("vlc", "winamp", "foobar", "mpv", "lavf", "itunes", "gstreamer")),
    ("desktop", ("windows", "macintosh", "linux", "cros", "x11")),
)


def device_of(user_agent: str) -> str:
    """`bot`, `speaker`, `tv`, `tablet`, `mobile`, `player`, `desktop` or `other`."""
    agent = user_agent.lower()
    if "android" in agent and "mobi" not in agent and "mozilla" in agent:
        return "tablet"
    return next((kind for kind, signs in _KINDS if any(sign in agent for sign in signs)), "other")
