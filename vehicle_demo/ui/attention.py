"""What the network looked at, on a vehicle's card: its picture, dimmed where covering it changes nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageChops, ImageFilter

from vehicle_demo.recognition import CheckpointError, ImageError, Recognizer, open_image
from vehicle_demo.recognition.attention import CELLS, PLACES, Attention, Step, attend
from vehicle_demo.ui.limits import TooManyError, take_recognition
from vehicle_demo.ui.pictures import crop_uri
from vehicle_demo.ui.services import Services

BUTTON_HTML = '<button type="button" data-attend>What did it look at?</button>'
PLACE_HTML = '<div class="vd-attention" aria-live="polite"></div>'
_LONGEST, _SHADE_SIDE, _DARKEST = 480, 240, 190
# Below this cost no patch says anything.
_NOTHING = 0.02
_HOW = (
    f"Occlusion sensitivity (Zeiler and Fergus 2014): a grey patch covered {PLACES} places of this picture in turn. "
    "It shows what the answer hangs on, not whether the answer is right."
)
_SCRIPT = """
vehicleDemo.sends('attend', () => trigger('click'));
watch('value', () => vehicleDemo.attended(props.value));
"""


class _Refused(ValueError):
    """What the page asks for makes no sense; the message is for its reader."""


def build(services: Services, source: gr.State, choice: gr.Dropdown) -> None:
    """The handlers behind the cards' button; the page's script (static/attention.js) shows what they say."""

    def on_ask(wanted: Any, source: str | None, choice: str, request: gr.Request) -> Iterator[str]:
        number, ask = (wanted.get(name) if isinstance(wanted, dict) else None for name in ("vehicle", "ask"))
        if type(ask) is not int:
            return
        try:
            if source is None:
                raise _Refused("There is no picture to look at any more. Recognise it again.")
            take_recognition(request)
            picture = open_image(source)
            for step in _steps(services.recognizer(choice), picture, number):
                done = step.attention
                yield _said(ask, _working_html(step) if done is None else figure_html(picture, done))
        except (TooManyError, ImageError, CheckpointError, _Refused) as error:
            yield _said(ask, f'<p class="vd-unsure" role="alert">{escape(str(error))}</p>')

    sender = gr.HTML("", js_on_load=_SCRIPT, elem_classes="vd-sender")
    asking = sender.click(
        on_ask,
        [gr.JSON(visible=False), source, choice],
        sender,
        js="(_, ...others) => [vehicleDemo.attending, ...others]",
        concurrency_id="attention",
        concurrency_limit=1,
        trigger_mode="multiple",
        show_progress="hidden",
        api_visibility="private",
    )
    stopper = gr.HTML("", js_on_load="vehicleDemo.sends('unattend', () => trigger('click'));", elem_classes="vd-sender")
    stopper.click(None, cancels=asking, show_progress="hidden", api_visibility="private")


def _steps(recognizer: Recognizer, picture: Image.Image, number: Any) -> Iterator[Step]:
    found = recognizer.recognize(picture)
    if type(number) is not int or not 0 <= number < len(found.vehicles):
        raise _Refused("This vehicle is not in the picture any more. Recognise it again.")
    yield from attend(recognizer, picture, found, number)


def _said(ask: int, content: str) -> str:
    return f'<div data-ask="{ask}">{content}</div>'


def _working_html(step: Step) -> str:
    return (
        f'<p class="vd-filling" role="status"><progress max="{step.total}" value="{step.done}"></progress>'
        f"<span>Covering place {step.done} of {step.total}</span>"
        '<button type="button" data-unattend>Cancel</button></p>'
    )


def figure_html(picture: Image.Image, attention: Mapping[str, Attention]) -> str:
    """The vehicle's picture with a shade for each head, of which the page shows one, and what that says in words."""
    shown = next(iter(attention))
    choices = "".join(
        f'<button type="button" data-head="{head}" aria-pressed="{str(head == shown).lower()}">{head}</button>'
        for head in attention
    )
    parts = "".join(_head_html(picture, head, found, head != shown) for head, found in attention.items())
    return (
        '<figure class="vd-looked">'
        f'<div class="vd-heads" role="group" aria-label="What did it look at for">{choices}</div>{parts}'
        '<p class="vd-scale"><span>covered: no change</span><i aria-hidden="true"></i>'
        "<span>costs most; line: half of it</span></p>"
        f'<figcaption class="vd-quiet">{_HOW}</figcaption></figure>'
    )


def _head_html(picture: Image.Image, head: str, found: Attention, hidden: bool) -> str:
    words = described(head, found)
    window = found.window
    shape = f"--vd-aspect:{(window.x2 - window.x1) / (window.y2 - window.y1):.4f}"
    shade = "" if found.most < _NOTHING else f'<img src="{_shade_uri(found.costs)}" alt="">'
    return (
        f'<div data-of="{head}"{" hidden" if hidden else ""}><div class="vd-heat" style="{shape}">'
        f'<img src="{crop_uri(picture, window, _LONGEST)}" alt="{escape(words)}">{shade}</div>'
        f"<p>{escape(words)}</p></div>"
    )


def described(head: str, found: Attention) -> str:
    """The map in a sentence: what was asked, where it hangs on most, and what covering that costs."""
    what = "The embedding" if head == "embedding" else f"{head.capitalize()} {found.label}, {found.score:.0%},"
    if found.most < _NOTHING:
        return f"{what} hangs on no single part: covering any one of {PLACES} places changes it by less than 2 %."
    rows, columns = (int(place) for place in np.unravel_index(int(found.costs.argmax()), found.costs.shape))
    down, across = (("top", "middle", "bottom")[_third(rows)], ("left", "centre", "right")[_third(columns)])
    left = found.score - found.most
    falls = f"its cosine falls to {left:.3f}" if head == "embedding" else f"it falls to {left:.0%}"
    return f"{what} hangs most on the {down} {across}: with a patch there covered, {falls}."


def _third(cell: int) -> int:
    return (cell >= 2) + (cell >= CELLS - 2)


def _shade_uri(costs: np.ndarray) -> str:
    """PNG of black, clear where the cost is highest and darkest where there is none; a white line at half of it."""
    light = np.clip(costs, 0, None) / costs.max()
    side = (_SHADE_SIDE, _SHADE_SIDE)
    smooth = Image.fromarray(np.round((1 - light) * 255).astype(np.uint8)).resize(side, Image.Resampling.BICUBIC)
    half = smooth.point([255 if value < 128 else 0 for value in range(256)])
    line = ImageChops.subtract(half, half.filter(ImageFilter.MinFilter(5)))
    shade = Image.merge(
        "LA", (line, ImageChops.lighter(smooth.point([value * _DARKEST // 255 for value in range(256)]), line))
    )
    buffer = io.BytesIO()
    shade.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
