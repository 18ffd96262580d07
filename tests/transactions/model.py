"""What transactions mean, in sets of names: no SQL, no session, nothing of the package.

`Model` is told what a program does and knows what must be stored, what each scope must see, which
blocks must refuse to commit and which hooks must have run.
"""

from dataclasses import dataclass, field


@dataclass
class Frame:
    """What a block or a scope holds in the model."""

    kind: str
    before: set[str] | None = None
    doomed: bool = False
    hooks: list[int] = field(default_factory=list)


class Session:
    """The session of one scope in the model."""

    def __init__(self, stored: set[str], *, late: bool) -> None:
        self.stored, self.late = stored, late
        self.view: set[str] | None = None
        """What a transaction that has begun sees."""
        self.pending: list[str] = []
        self.scope = Frame("late" if late else "scope")
        self.blocks: list[Frame] = []
        self.records: list[object] = []
        """What the player keeps: in the identity map, and to be right the next time."""
        self.alone = True
        """Whether no other session has changed rows that this one has records of."""

    @property
    def here(self) -> Frame:
        return self.blocks[-1] if self.blocks else self.scope

    @property
    def visible(self) -> set[str]:
        return self.stored if self.view is None else self.view

    @property
    def waits(self) -> bool:
        """Whether somebody else commits."""
        return self.late or bool(self.blocks)

    def begin(self) -> set[str]:
        if self.view is None:
            self.view = set(self.stored)
        return self.view

    def flush(self) -> None:
        if self.pending:
            self.begin().update(self.pending)
            self.pending = []

    def commit(self) -> None:
        self.flush()
        if self.view is not None:
            self.stored.clear()
            self.stored.update(self.view)
            self.view = None

    def rollback(self) -> None:
        self.view, self.pending = None, []

    def read(self) -> None:
        self.flush()
        if self.blocks:
            self.begin()

    def change(self, *, minus: str | None = None, plus: str | None = None) -> None:
        self.flush()
        view = self.begin()
        if minus is not None:
            view.remove(minus)
        if plus is not None:
            view.add(plus)
        if not self.waits:
            self.commit()


class Model:
    """What must be stored, what each scope must see, and which hooks must have run."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.sessions: list[Session] = []
        self.ran: list[int] = []

    @property
    def session(self) -> Session:
        return self.sessions[-1]

    def enter(self, kind: str) -> None:
        if kind in ("scope", "late"):
            self.sessions.append(Session(self.stored, late=kind == "late"))
            return
        session = self.session
        if kind == "join":
            return
        frame = Frame(kind if session.waits else "outermost")
        if frame.kind == "savepoint":
            session.flush()
            frame.before = None if session.view is None else set(session.view)
        session.blocks.append(frame)

    def leave(self, kind: str, *, failed: bool) -> bool:
        """End a block; tells whether its end must be refused."""
        if kind == "join":
            return False
        if kind in ("scope", "late"):
            return self._leave_scope(self.sessions.pop(), failed=failed)
        return self._leave_block(self.session, self.session.blocks.pop(), failed=failed)

    def _leave_scope(self, session: Session, *, failed: bool) -> bool:
        refused = session.late and session.scope.doomed and not failed
        if session.late and not failed and not refused:
            session.commit()
            self.ran += session.scope.hooks
        if self.sessions:
            self.session.alone = False
            self.session.records.clear()
        return refused

    def _leave_block(self, session: Session, block: Frame, *, failed: bool) -> bool:
        refused = block.doomed and not failed
        good = not failed and not refused
        match block.kind:
            case "outermost":
                session.commit() if good else session.rollback()
            case "savepoint" if good:
                session.flush()
            case "savepoint":
                if session.view is not None:
                    session.view = set(self.stored if block.before is None else block.before)
                session.pending = []
            case "plain" if not good:
                session.here.doomed = True
        if good:
            (self.ran if block.kind == "outermost" else session.here.hooks).extend(block.hooks)
        return refused
