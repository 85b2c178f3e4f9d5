"""Arrays by the type of their elements: how bulk data is passed between modules. Shapes stand in the docstrings of those who pass it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8s = npt.NDArray[np.uint8]
I16s = npt.NDArray[np.int16]
U32s = npt.NDArray[np.uint32]
I64s = npt.NDArray[np.int64]
U64s = npt.NDArray[np.uint64]
