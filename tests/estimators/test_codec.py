import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.cluster import DBSCAN

from sklvae import INVALID, SKIP
from sklvae.estimators._codec import KINDS, CannotPackError, pack, unpack

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from([INVALID, SKIP, np.float32(0.1), np.int8(3), np.str_("a"), np.bool_(True)])
    | hnp.arrays(
        hnp.scalar_dtypes().filter(lambda d: d.kind in "biuf" and d.itemsize <= 8),
        hnp.array_shapes(min_dims=0),
    )
    | hnp.arrays(hnp.unicode_string_dtypes() | hnp.byte_string_dtypes(), hnp.array_shapes())
    | hnp.arrays(object, hnp.array_shapes(), elements=st.none() | st.booleans() | st.integers() | st.text()),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers() | st.tuples(st.integers()), inner)
    ),
    max_leaves=8,
)


@given(value=values)
def test_what_is_packed_is_json_and_comes_back_as_it_was(value, assert_same):
    arrays = {}
    packed = json.loads(json.dumps(pack(value, "value", arrays)))
    assert all(array.dtype.kind in "biuf" for array in arrays.values())
    assert_same(unpack(packed, arrays), value)


@pytest.mark.parametrize(
    "value",
    [object(), print, {1, 2}, 1j, np.zeros(2, complex), np.array([[1], {}], dtype=object), DBSCAN, int],
)
def test_what_is_no_data_is_not_packed(value):
    with pytest.raises(CannotPackError):
        pack(value, "value", {})


def test_a_key_that_looks_like_a_tag_is_no_tag():
    for tag in [*KINDS, "$array"]:
        assert unpack(pack({tag: [1]}, "value", {}), {}) == {tag: [1]}
