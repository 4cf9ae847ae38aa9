"""Data of every kind as numbers, and further data in the same way."""

import builtins
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sklvae.cli._data import read
from sklvae.cli._terminal import Terminal

IMAGES = {"kind": "images", "size": None, "mode": None}
ARRAYS = {"kind": "arrays", "shape": None}
TABLE = {"kind": "table", "label": None, "ignored": [], "columns": None}

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def settled(data):
    """The reader as it comes back from a file."""
    return json.loads(json.dumps(data.reader))


def test_small_images_of_one_size_stay_as_they_are(tmp_path, terminal):
    save(tmp_path / "b" / "2.png", NOISE[..., 0])
    save(tmp_path / "a" / "1.bmp", NOISE[..., 1])
    save(tmp_path / ".hidden" / "3.png", NOISE[..., 2])
    (tmp_path / "notes.txt").write_text("no image")
    data = read(tmp_path, IMAGES, terminal)
    assert data.names == ["a/1.bmp", "b/2.png"]
    assert data.heading == "file"
    assert data.reader == {"kind": "images", "size": [20, 30], "mode": "gray"}
    np.testing.assert_array_equal(data.X, np.stack([NOISE[..., 1], NOISE[..., 0]]))


def test_colors_come_before_height_and_width(tmp_path, terminal):
    save(tmp_path / "1.png", NOISE)
    save(tmp_path / "2.png", NOISE[..., 0])
    X = read(tmp_path, IMAGES, terminal).X
    np.testing.assert_array_equal(X[0], NOISE.transpose(2, 0, 1))
    np.testing.assert_array_equal(X[1], np.stack([NOISE[..., 0]] * 3))


def test_other_images_become_squares_with_bars(tmp_path, terminal):
    save(tmp_path / "wide.png", np.full((10, 100), 200, np.uint8))
    save(tmp_path / "high.png", np.full((100, 50), 100, np.uint8))
    data = read(tmp_path, IMAGES, terminal)
    assert data.X.shape == (2, 32, 32)
    high, wide = data.X
    assert (high[:, 8:24] == 100).all()
    assert (high[:, :7] == 0).all()
    assert (wide[15:17] == 200).all()
    assert (wide[:14] == 0).all()


@pytest.mark.parametrize(("size", "mode", "shape"), [([5, 7], "rgb", (3, 5, 7)), ([40, 40], "gray", (40, 40))])
def test_size_and_mode_can_be_asked_for(tmp_path, terminal, size, mode, shape):
    save(tmp_path / "1.png", NOISE)
    data = read(tmp_path, {**IMAGES, "size": size, "mode": mode}, terminal)
    assert data.X.shape == (1, *shape)
    assert data.X.dtype == np.uint8


def test_further_images_are_read_as_the_first_ones_were(tmp_path, terminal):
    save(tmp_path / "first" / "1.png", NOISE[..., 0])
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    save(tmp_path / "further" / "1.png", np.broadcast_to(ramp[None, :, None], (200, 300, 3)).copy())
    first = read(tmp_path / "first", IMAGES, terminal)
    further = read(tmp_path / "further", settled(first), terminal)
    np.testing.assert_allclose(further.X[0], np.broadcast_to(ramp[5::10], (20, 30)), atol=3)
    assert further.reader == first.reader


def test_people_see_larger_pictures_of_the_same_images(tmp_path, terminal):
    for number, value in enumerate([10, 250, 90]):
        save(tmp_path / f"{number}.png", np.full((300, 300), value, np.uint8))
    data = read(tmp_path, IMAGES, terminal, for_people=True)
    assert data.X.shape == (3, 32, 32)
    assert data.pictures.shape == (3, 128, 128)
    assert data.pictures[:, 64, 64].tolist() == data.X[:, 16, 16].tolist() == [10, 250, 90]
    assert read(tmp_path, IMAGES, terminal).pictures is None
    assert read(tmp_path, {**IMAGES, "size": [400, 400]}, terminal, for_people=True).pictures is None
    assert read(tmp_path, settled(data), terminal, for_people=True).pictures.shape == (3, 128, 128)


def test_pixels_of_16_bits_keep_their_shades(tmp_path, terminal):
    shades = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    save(tmp_path / "1.png", shades)
    np.testing.assert_array_equal(read(tmp_path, IMAGES, terminal).X[0], shades // 256)


def test_what_is_transparent_is_white(tmp_path, terminal):
    save(tmp_path / "1.png", np.dstack([np.zeros((4, 4, 3), np.uint8), np.eye(4, dtype=np.uint8) * 255]))
    np.testing.assert_array_equal(read(tmp_path, IMAGES, terminal).X[0], [255 * (1 - np.eye(4))] * 3)


def test_photos_are_turned_upright(tmp_path, terminal):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    half = np.zeros((16, 16), np.uint8)
    half[:8] = 255
    save(tmp_path / "1.png", half, exif=exif)
    np.testing.assert_array_equal(read(tmp_path, IMAGES, terminal).X[0], np.rot90(half, -1))


def test_an_image_that_cannot_be_read_is_named_and_left_out(tmp_path, terminal, capsys):
    save(tmp_path / "good.png", NOISE)
    save(tmp_path / "cut.png", NOISE)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-700])
    (tmp_path / "empty.jpg").touch()
    save(tmp_path / "float.tiff", Image.fromarray(np.zeros((4, 4), np.float32)))
    for number in range(4):
        (tmp_path / f"text{number}.gif").write_text("no image")
    data = read(tmp_path, IMAGES, terminal)
    said = capsys.readouterr().err
    assert data.names == ["good.png"]
    assert all(f"warning: {name} is left out" in said for name in ("empty.jpg", "text0.gif"))
    assert "2 more images cannot be read" in said
    (tmp_path / "good.png").unlink()
    with pytest.raises(ValueError, match=r"holds no image that can be read\. Images end in \.bmp"):
        read(tmp_path, IMAGES, terminal)


@pytest.mark.parametrize(("package", "path", "reader"), [("PIL", "", IMAGES), ("pandas", "1.csv", TABLE)])
def test_without_a_package_its_extra_is_named(tmp_path, terminal, monkeypatch, package, path, reader):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    (tmp_path / "1.csv").touch()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "sklvae\[(images|tables)\]"'):
        read(tmp_path / path, reader, terminal)


@pytest.mark.parametrize("name", ["x", "X", "x_train", "X_train", "anything"])
def test_arrays_are_found_by_name(tmp_path, terminal, name):
    X = np.arange(24.0).reshape(6, 4)
    np.savez(tmp_path / "1.npz", **{name: X})
    data = read(tmp_path / "1.npz", ARRAYS, terminal)
    np.testing.assert_array_equal(data.X, X)
    assert data.X.dtype == np.float32
    assert data.names == ["0", "1", "2", "3", "4", "5"]
    assert data.heading == "row"
    assert data.labels == {}


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array([3, -1, 7]), {"0": "3", "2": "7"}),
        (np.array([3.0, np.nan, 7.0]), {"0": "3", "2": "7"}),
        (np.array(["cat", "", "dog"]), {"0": "cat", "2": "dog"}),
        (np.array([b"cat", b"", b"dog"]), {"0": "cat", "2": "dog"}),
    ],
)
def test_labels_come_with_arrays(tmp_path, terminal, y, labels):
    np.savez(tmp_path / "1.npz", x_train=np.eye(3), y_train=y)
    assert read(tmp_path / "1.npz", ARRAYS, terminal).labels == labels


def test_arrays_that_are_not_needed_are_not_read(tmp_path, terminal):
    np.savez(tmp_path / "1.npz", x_train=np.eye(3), about=np.array([None]))
    assert len(read(tmp_path / "1.npz", ARRAYS, terminal).X) == 3


def test_images_in_arrays_stay_bytes_and_have_their_colors_first(tmp_path, terminal):
    np.savez(tmp_path / "1.npz", x=np.stack([NOISE] * 4))
    data = read(tmp_path / "1.npz", ARRAYS, terminal)
    assert data.X.dtype == np.uint8
    np.testing.assert_array_equal(data.X[0], NOISE.transpose(2, 0, 1))
    np.savez(tmp_path / "1.npz", x=np.zeros((4, 20, 31, 3)))
    with pytest.raises(ValueError, match=r"must be of the shape \[3, 20, 30\], got \[3, 20, 31\]"):
        read(tmp_path / "1.npz", settled(data), terminal)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.eye(2), "b": np.eye(2)}, r"must hold an array named x, .* got \['a', 'b'\]"),
        ({"x": np.zeros(3)}, r"x must be numbers, .* got float64 of shape \(3,\)"),
        ({"x": np.array([["a"]])}, "x must be numbers"),
        ({"x": np.zeros((0, 3))}, "x must be numbers"),
        ({"x": np.array([[None]])}, "cannot be read as numpy arrays"),
        ({"x": np.eye(2), "y": np.array(["cat", None])}, "cannot be read .* and labels as numbers or texts, -1 or an"),
        ({"x": np.eye(2), "y": np.zeros(3)}, "y must have a label for each of 2 rows"),
    ],
)
def test_arrays_that_are_no_data_are_refused(tmp_path, terminal, arrays, message):
    np.savez(tmp_path / "1.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "1.npz", ARRAYS, terminal)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 and no more"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path, terminal, content):
    (tmp_path / "1.npz").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as numpy arrays"):
        read(tmp_path / "1.npz", ARRAYS, terminal)


def test_nobody_is_advised_to_load_a_file_unsafely(tmp_path, terminal):
    np.savez(tmp_path / "1.npz", x=np.array([{}, {}], dtype=object))
    (tmp_path / "2.npz").write_text("no array")
    for name in ("1.npz", "2.npz"):
        with pytest.raises(ValueError, match=r"Write numbers with numpy\.savez") as refused:
            read(tmp_path / name, ARRAYS, terminal)
        assert "pickle" not in str(refused.value)


def test_one_array_under_a_wrong_name_is_refused(tmp_path, terminal):
    with (tmp_path / "1.npz").open("wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(ValueError, match="one array, not a file of several"):
        read(tmp_path / "1.npz", ARRAYS, terminal)


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


PEOPLE = "age,color,tall\n10,red,True\n,blue,False\n30,,True\n40,red,True\n"


def test_a_table_is_what_pandas_makes_of_it(tmp_path, terminal):
    data = read(table(tmp_path / "1.csv", PEOPLE), TABLE, terminal)
    frame = pd.read_csv(tmp_path / "1.csv")
    dummies = pd.get_dummies(frame["color"], dummy_na=True).to_numpy(dtype=float)[:, [2, 0, 1]]  # missing ones first
    np.testing.assert_array_equal(
        data.X, np.column_stack([frame["age"].fillna(30), frame["age"].isna(), dummies, frame["tall"]])
    )
    assert data.columns == ["age", "age is missing", "color=(missing)", "color=blue", "color=red", "tall"]


def test_further_rows_are_read_by_the_columns_of_the_first(tmp_path, terminal):
    first = read(table(tmp_path / "1.csv", PEOPLE), TABLE, terminal)
    text = "tall,name,color,age\nFalse,Ann,green,\nTrue,Bob,red,50\n"
    further = read(table(tmp_path / "2.csv", text), settled(first), terminal)
    np.testing.assert_array_equal(further.X, [[30, 1, 0, 0, 0, 0], [50, 0, 0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("color,tall\nred,True\n", "has no column 'age'"),
        ("age,color,tall\nold,red,True\n", "column 'age' must hold numbers: could not convert string to float: 'old'"),
        ("age,color,tall\n1,red,True\ninf,red,True\n", "column 'age' must hold finite numbers, got inf in row 1"),
        ("age,color,tall\n", "holds no row"),
        ("age,color,tall\n1,red,True,more\n", "as many names in its first line as values in the others"),
        ("age,color,tall\n1,red,True,more,still\n", "as many names in its first line as values in the others"),
        ("", "cannot be read as a table"),
        ('age,color,tall\n1,"red,True\n', "cannot be read as a table"),
    ],
)
def test_further_rows_that_do_not_fit_are_refused(tmp_path, terminal, text, message):
    first = read(table(tmp_path / "1.csv", PEOPLE), TABLE, terminal)
    with pytest.raises(ValueError, match=message):
        read(table(tmp_path / "2.csv", text), settled(first), terminal)


@pytest.mark.parametrize("separator", ",;\t|")
def test_separators_and_the_mark_of_excel_are_found(tmp_path, terminal, separator):
    path = table(tmp_path / "1.csv", "\ufeff" + PEOPLE.replace(",", separator))
    assert read(path, TABLE, terminal).columns[0] == "age"


def test_texts_stay_texts_where_further_ones_look_like_numbers(tmp_path, terminal):
    first = read(table(tmp_path / "1.csv", "code,x\n01,1\na,2\n"), TABLE, terminal)
    further = read(table(tmp_path / "2.csv", "code,x\n01,1\n02,2\n"), settled(first), terminal)
    np.testing.assert_array_equal(further.X, [[1, 0, 1], [0, 0, 2]])


def test_labels_and_ignored_columns_are_no_features(tmp_path, terminal):
    path = table(tmp_path / "1.csv", "id,kind,x\n1,01,5\n2,,6\n3,1.0,7\n")
    data = read(path, {**TABLE, "label": "kind", "ignored": ["id"]}, terminal)
    assert data.columns == ["x"]
    assert data.labels == {"0": "01", "2": "1.0"}
    assert read(table(tmp_path / "2.csv", "x\n8\n"), settled(data), terminal).X.tolist() == [[8]]
    for wrong in ({"label": "none"}, {"ignored": ["none"]}):
        with pytest.raises(ValueError, match="has no column 'none'; it has"):
            read(path, {**TABLE, **wrong}, terminal)


def test_a_separator_that_ends_the_lines_names_no_rows(tmp_path, terminal):
    data = read(table(tmp_path / "1.csv", "a,b\n1,2,\n3,4,\n"), TABLE, terminal)
    assert data.X.tolist() == [[1, 2], [3, 4]]


def test_any_text_may_be_a_label(tmp_path, terminal):
    path = table(tmp_path / "1.csv", "x,kind\n5,NA\n6,null\n7,\n8,None\n9\n")
    assert read(path, {**TABLE, "label": "kind"}, terminal).labels == {"0": "NA", "1": "null", "3": "None"}


def test_columns_that_say_nothing_are_named_and_left_out(tmp_path, capsys):
    text = "name,empty,x\n" + "".join(f"person {n},,{n}\n" for n in range(60))
    data = read(table(tmp_path / "1.csv", text), TABLE, Terminal())
    assert data.columns == ["x"]
    said = capsys.readouterr().err
    assert "column 'name' is left out: it has 60 different texts" in said
    assert "column 'empty' is left out: it is empty" in said
    with pytest.raises(ValueError, match="no column of numbers or of few texts"):
        read(table(tmp_path / "1.csv", "empty\n,\n,\n"), TABLE, Terminal())


cells = st.one_of(st.none(), st.sampled_from(["red", "blue", "NaN?", "a, b", 'say "x"']), st.booleans())
numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-(10**9), 10**9))


@given(st.lists(st.tuples(cells, numbers, numbers), min_size=1, max_size=8))
def test_the_same_table_gives_the_same_numbers_again(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "same.csv"
    pd.DataFrame([(*row, 1) for row in rows], columns=["a", "b", "c", "one"]).to_csv(path, index=False)
    first = read(path, TABLE, Terminal(quiet=True))
    again = read(path, settled(first), Terminal(quiet=True))
    np.testing.assert_array_equal(first.X, again.X)
    assert np.isfinite(first.X).all()
    assert first.columns == again.columns


def test_data_of_another_kind_are_refused(tmp_path, terminal):
    with pytest.raises(ValueError, match=r"The model was made from a table, but .* holds images\. Give a table\."):
        read(tmp_path, TABLE, terminal)
    (tmp_path / "1.txt").touch()
    with pytest.raises(ValueError, match=r"DATA must be a folder of images, an \.npz file or a \.csv file"):
        read(tmp_path / "1.txt", TABLE, terminal)
    with pytest.raises(FileNotFoundError, match="There is no"):
        read(tmp_path / "2.csv", TABLE, terminal)
