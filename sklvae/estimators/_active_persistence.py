"""Files of ActiveLearningClassifier, whose classifier may be anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ..training import Net
from ._codec import Arrays, pack, unpack
from ._persistence import PersistenceMixin

__all__ = ["ActivePersistenceMixin"]


class ActivePersistenceMixin(PersistenceMixin):
    """`save` where the classifier is one of ours; skops keeps any that it knows."""

    _for_fit_only: ClassVar = ("stopping", "session_dir")
    _parts: ClassVar = ("estimator_",)
    _fitted_part: ClassVar = "estimator_"

    def __getstate__(self) -> dict[str, Any]:
        """What skops keeps: the classifier as skops does, the answers as strings and arrays."""
        arrays: Arrays = {}
        state = dict(vars(self))
        if "answers_" in state:
            state["answers_"] = {"answers": pack(state["answers_"], "answers", arrays), "arrays": arrays}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "answers_" in state:
            kept = state["answers_"]
            state = {**state, "answers_": unpack(kept["answers"], kept["arrays"])}
        self.__dict__.update(state)

    def _untrained_net(self, state: Mapping[str, Tensor]) -> Net:
        raise NotImplementedError("the network is that of the classifier")

    def _pack(self, name: str, value: Any, arrays: Arrays) -> Any:
        rule = name == "stopped_by_" and callable(value)
        return super()._pack(name, repr(value) if rule else value, arrays)
