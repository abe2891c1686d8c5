# pragma version 0.4.3
# pragma evm-version paris
"""
@title Heads of public logs, kept for good under the time of their block
@license MIT
@notice A log is named by the SHA-256 of its origin. Whoever registers a name is its only writer,
        its sizes only grow, and nobody can change or remove a head: no size ever has two roots.
"""

struct Head:
    size: uint64
    at: uint64
    root: bytes32

event Registered:
    name: indexed(bytes32)
    owner: indexed(address)

event Anchored:
    name: indexed(bytes32)
    size: indexed(uint64)
    root: bytes32

owner_of: public(HashMap[bytes32, address])
count_of: public(HashMap[bytes32, uint256])
heads: HashMap[bytes32, HashMap[uint256, Head]]
places: HashMap[bytes32, HashMap[uint64, uint256]]


@external
def register(name: bytes32):
    """
    @notice Become the only writer of a log that nobody has registered.
    """
    assert self.owner_of[name] == empty(address), "registered"
    self.owner_of[name] = msg.sender
    log Registered(name=name, owner=msg.sender)


@external
def anchor(name: bytes32, size: uint64, root: bytes32):
    """
    @notice Keep the head of a larger tree than the last.
    """
    assert msg.sender == self.owner_of[name], "not yours"
    count: uint256 = self.count_of[name]
    last: uint64 = 0
    if count > 0:
        last = self.heads[name][count - 1].size
    assert size > last, "does not grow"
    self.heads[name][count] = Head(size=size, at=convert(block.timestamp, uint64), root=root)
    self.places[name][size] = count + 1
    self.count_of[name] = count + 1
    log Anchored(name=name, size=size, root=root)


@external
@view
def head_at(name: bytes32, place: uint256) -> Head:
    """
    @notice The head at a place, the first at 0; all zeros if there is none.
    """
    return self.heads[name][place]


@external
@view
def head_of(name: bytes32, size: uint64) -> Head:
    """
    @notice The head of a size; all zeros if there is none.
    """
    place: uint256 = self.places[name][size]
    if place == 0:
        return empty(Head)
    return self.heads[name][place - 1]
