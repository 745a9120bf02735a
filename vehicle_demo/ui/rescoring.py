"""What is done in the background: the review queue follows the heads, and vehicles are looked at for the next fit.

When other heads answer, what waits in the queue is predicted again. When they read another graph, the sample gallery is
filled by that one too.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from threading import Event, Thread

from vehicle_demo.annotation.corrections import corrections
from vehicle_demo.annotation.pending import count_outdated, predict_again, read_again
from vehicle_demo.annotation.store import StoreError
from vehicle_demo.annotation.urgency import urgency_of
from vehicle_demo.gallery.gallery import GalleryError
from vehicle_demo.recognition import CheckpointError, ImageError
from vehicle_demo.recognition.results import Box
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.features import seen
from vehicle_demo.retraining.rescoring import named_again, plates_outdated, plates_read_again
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.ui.intake import neighbours
from vehicle_demo.ui.services import Services

_LOOKS_S = 2.0
_AFTER_TROUBLE_S = 60.0


def start(services: Services, ends: Event | None = None) -> Thread:
    """Rescore the queue now and whenever other heads answer, whoever promotes them, until `ends` is set.

    In between look at what was corrected. The sample gallery is filled at once.
    """
    thread = Thread(target=_follow, args=(services, ends or Event()), daemon=True, name="rescoring")
    thread.start()
    return thread


def rescore(services: Services) -> bool:
    """Predict again what waits under other heads; False where still others were promoted before all was done.

    Vehicles of the review queue come first, then plates, where either heads have taught the reader.

    Raises:
        StoreError, GalleryError, CheckpointError: what was written until then stays.
        RetrainError: the checkpoint's own heads cannot be read, so there are no others either.
    """
    heads, recognizer, store = services.heads(), services.recognizer(), services.labels.store()
    cache = Cache.beside(services.versions().folder, recognizer.checkpoint)
    gallery = services.galleries.gallery(recognizer)
    began = time.monotonic()
    for items in named_again(store, recognizer, heads, cache):
        near = neighbours(recognizer, items, [item.picture for item in items], gallery)
        urgent = [replace(item, urgency=urgency_of(item, one)) for item, one in zip(items, near, strict=True)]
        predict_again(store, urgent)
        if _answering(services) != heads.version:
            return False
        # Visitors' pictures come first: as long again as it took, the processor is theirs.
        time.sleep(time.monotonic() - began)
        began = time.monotonic()
    for plates in plates_read_again(store, services.versions(), recognizer):
        read_again(store, plates)
        if _answering(services) != heads.version:
            return False
        time.sleep(time.monotonic() - began)
        began = time.monotonic()
    return True


def look_ahead(services: Services, known: int) -> int:
    """Look at corrected vehicles, so that a fit finds their features; the number of the last event until then.

    Nothing is done where that is still the one `known` from the time before. Once other heads are promoted the queue
    comes first: the answer is `known`, and the rest is looked at the next time.

    Raises:
        StoreError, CheckpointError: what was looked at until then is kept.
    """
    store = services.labels.store()
    last = store.last_event()
    if last == known:
        return last
    recognizer = services.recognizer()
    cache = Cache.beside(services.versions().folder, recognizer.checkpoint)
    for one in corrections(store):
        if _answering(services) != recognizer.checkpoint.heads_version:
            return known
        began = time.monotonic()
        try:
            seen(recognizer, cache, one.item.picture, Box(*one.box), store.pictures.path(one.item.picture).read_bytes())
        except (ImageError, OSError):
            continue
        time.sleep(time.monotonic() - began)
    return last


def count_waiting(services: Services) -> tuple[int, int]:
    """How many vehicles, and how many plates, wait under a prediction of other heads than those that answer now.

    Raises:
        StoreError: the labels cannot be read.
    """
    store, checkpoint = services.labels.store(), services.recognizer().checkpoint
    vehicles = count_outdated(store, checkpoint.title, checkpoint.heads_version)
    return vehicles, sum(plates_outdated(store, services.versions(), checkpoint).values())


def _follow(services: Services, ends: Event) -> None:
    done, known, graph = "", 0, None
    while not ends.is_set():
        wait = _LOOKS_S
        try:
            recognizer = services.recognizer()
            if recognizer.graph.path != graph:
                services.galleries.fill_sample(recognizer)
                graph, known = recognizer.graph.path, 0
            version = recognizer.checkpoint.heads_version
            if version != done and rescore(services):
                done = version
            known = look_ahead(services, known)
        except RetrainError:
            done = version
        except (StoreError, GalleryError, CheckpointError) as error:
            logging.getLogger(__name__).warning("The review queue was not predicted again: %s", error)
            wait = _AFTER_TROUBLE_S
        ends.wait(wait)


def _answering(services: Services) -> str:
    return services.recognizer().checkpoint.heads_version
