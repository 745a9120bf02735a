"""`/search` and the `index` command as others use them: from outside, several at once."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from data_tools.__main__ import main
from data_tools.pictures import windows
from data_tools.serving import ServedApp


@pytest.fixture(scope="module")
def client(app: ServedApp) -> Client:
    return Client(app.url, verbose=False)


def ask(client: Client, image: Path | None, gallery: str, count: int) -> Any:
    picture = handle_file(str(image)) if image else None
    return client.predict(picture, gallery, count, api_name="/search")


def test_search_answers_best_first_with_what_is_known(client: Client, photo: Path) -> None:
    answers = ask(client, photo, "drawn", 7)
    assert [answer["rank"] for answer in answers] == [1, 2, 3, 4, 5, 6, 7]
    known = {"rank", "score", "row", "vehicle_id", "camera", "type", "make", "model", "plate"}
    assert all(set(answer) == known and 0 <= answer["row"] < 120 for answer in answers)
    scores = [answer["score"] for answer in answers]
    assert scores == sorted(scores, reverse=True) and -1 <= scores[-1] <= scores[0] <= 1


@pytest.mark.parametrize(("count", "length"), [(0, 10), (-5, 1), (1000, 100)])
def test_search_keeps_the_count_within_its_limits(client: Client, photo: Path, count: int, length: int) -> None:
    assert len(ask(client, photo, "drawn", count)) == length


def test_search_without_a_picture_says_so(client: Client) -> None:
    with pytest.raises(AppError, match="Send a picture"):
        ask(client, None, "drawn", 5)


@pytest.mark.parametrize("name", ["nowhere", "../drawn", "drawn/"])
def test_search_in_an_unknown_gallery_names_those_there_are(client: Client, photo: Path, name: str) -> None:
    with pytest.raises(AppError, match=r"There is no gallery of that name. Choose one of: sample, drawn"):
        ask(client, photo, name, 5)


def test_search_with_no_picture_in_the_file_says_so(client: Client, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"only words")
    with pytest.raises(AppError, match="not a picture"):
        ask(client, tmp_path / "words.jpg", "drawn", 5)


def write_streets(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(islice(windows(), count)):
        picture.save(folder / f"{number:02}.jpg")


def test_twenty_search_in_a_gallery_that_another_process_fills(
    app: ServedApp, home: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "streets"
    write_streets(folder, 4)
    (folder / "bad.jpg").write_bytes(b"no picture")
    command = ["index", "--source", str(folder), "--gallery", "streets", "--home", str(home)]
    main(command)
    said = capsys.readouterr().out
    assert "passed over bad.jpg: " in said and re.search(r"5 pictures: [1-9]\d* vehicles added to streets\n", said)
    write_streets(folder, 24)
    with Image.open(photo) as image:
        image.save(folder / "last.png")  # a search leaves the very file out
    filling = subprocess.Popen([sys.executable, "-m", "data_tools", *command], stdout=subprocess.PIPE, text=True)
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: ask(Client(app.url, verbose=False), photo, "streets", 5), range(20)))
    said = filling.communicate(timeout=120)[0]
    assert filling.returncode == 0 and re.search(r"26 pictures: \d+ vehicles added to streets, [1-4] were", said)
    assert all(answers and answers[0]["rank"] == 1 for answers in found)
    # What the other process added last is found without a restart.
    assert ask(Client(app.url, verbose=False), photo, "streets", 1)[0]["score"] > 0.98


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--source": "nowhere"}, "neither a folder"),
        ({"--gallery": "../elsewhere"}, "letters, digits"),
        ({"--checkpoint": "nowhere"}, "nowhere"),
    ],
)
def test_a_mistake_in_the_command_ends_with_its_sentence(
    home: Path, tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    write_streets(tmp_path / "streets", 1)
    options = {"--source": str(tmp_path / "streets"), "--gallery": "mistaken", "--home": str(home), **changed}
    with pytest.raises(SystemExit, match=f"^error: .*{words}"):
        main(["index", *(part for option in options.items() for part in option)])
    assert not (home / "galleries" / "mistaken").exists()
