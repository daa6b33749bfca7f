"""What a user can cause: one line that names the thing and the remedy, and exit code 2."""


class ZooError(Exception):
    """Base of every error that speaks to the user."""

    #: what the command line ends with.
    exit_code = 2


class ConfigError(ZooError, ValueError):
    """A config asks for something that does not exist.

    Args:
        message: one line.
        path: the keys that lead to the place, such as `("model", "encoder", "units")`; whoever read
            the file adds its name and line.
    """

    def __init__(self, message: str, path: tuple[str, ...] = ()):
        super().__init__(message)
        self.path = path


class DataError(ZooError, ValueError):
    """Data are missing, or outside of what the receiver can take."""


class EntryError(ZooError, LookupError):
    """No such entry, or no such folder."""


class WeightsError(ZooError, ValueError):
    """A weights file is missing, damaged, or not the one that its checksum names."""


class NotSupported(ZooError, NotImplementedError):
    """The family has no such operation."""


class TrainingError(ZooError, RuntimeError):
    """A run cannot go on."""
