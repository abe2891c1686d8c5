"""What may go wrong in the agent that a stranger at the door cannot cause.

    AgentError
    + SettingsRefused        correct the setting or the file that the operator wrote
    + HardwareFailed         look at the wiring, the board, the rights of the account
    + StateError
      + StateMissing         run `./restante locker init` first, or name the right folder
      + StateInUse           end the other agent, or wait for it
      + StateTooNew          install the version that wrote the folder, or a newer one
      + StateBroken          the file is damaged: commission the locker anew
      + StoreFull            deliver the journal, then acknowledged lines can go
      + StoreUnusable        the disk refuses: end the process, repair, start again
      + StoreMisused         a fault in our own code: report it

A refusal of a token is no error: it is a value, `Refusal`, and never comes from this tree.
"""


class AgentError(Exception):
    """Root of the tree; its text is one sentence for the person who runs the locker."""


class SettingsRefused(AgentError):
    """A setting or a file written by the operator says something that cannot be."""


class HardwareFailed(AgentError):
    """Pins or a board cannot be reached. Whether a bolt has moved is not known."""


class StateError(AgentError):
    """The state folder cannot serve. Nothing that was committed before is lost by this."""


class StateMissing(StateError):
    """The folder holds no locker, and the caller did not ask to make one."""


class StateInUse(StateError):
    """Another process holds the folder; it stays untouched."""


class StateTooNew(StateError):
    """A newer version wrote the folder. It is left as it is: going back could lose meaning."""


class StateBroken(StateError):
    """The file is not a store of ours, or its integrity check fails."""


class StoreFull(StateError):
    """No room for this change. It was rolled back whole, and the store goes on serving."""


class StoreUnusable(StateError):
    """The disk or its permissions refuse.

    After a failed commit nobody knows whether it stands, so the store serves no more: only a
    fresh start, which reads the disk, can tell.
    """


class StoreMisused(StateError):
    """Our own code broke a rule of the store: a nested transaction, a violated constraint."""
