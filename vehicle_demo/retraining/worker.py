"""One fit in a process of its own, so that serving never waits for it and its crash harms nothing.

`python -m vehicle_demo.retraining.worker` says in JSON lines how far it is; the last line has a version or an error.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from vehicle_demo.recognition import CheckpointError, Recognizer
from vehicle_demo.retraining.retrain import retrain, versions_of
from vehicle_demo.retraining.settings import Wishes
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.retraining.trouble import disk_said
from vehicle_demo.retraining.versions import VersionError

# Pictures of visitors come first.
_NICE = 10
_LOCK = "fitting"


def main() -> None:
    """Fit once, unless somebody else does."""
    parser = argparse.ArgumentParser()
    for name in ("--checkpoint", "--corrections", "--home", "--person"):
        parser.add_argument(name, required=True)
    parser.add_argument("--wishes", default="{}", help="JSON: parts of the setting that a person has decided on")
    parser.add_argument("--data", type=Path, help="the training's pictures: the backbone is adapted too")
    args = parser.parse_args()
    wishes = Wishes(**json.loads(args.wishes))
    os.nice(_NICE)
    try:
        recognizer = Recognizer.from_checkpoint(args.checkpoint)
        versions = versions_of(Path(args.home), recognizer)
        versions.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(versions.folder / _LOCK, blocking=False):
            steps = retrain(recognizer, versions, Path(args.corrections), args.person, wishes=wishes, data=args.data)
            for step in steps:
                _say(stage=step.stage, done=step.done, total=step.total, loss=step.loss, accuracy=step.accuracy)
            assert step.version is not None
            _say(version=step.version.name, bad=step.bad)
    except Timeout:
        _say(error="Another copy of this app is retraining. Wait until it has finished.")
    except (RetrainError, VersionError, CheckpointError) as error:
        _say(error=str(error))
    except OSError as error:
        _say(error=disk_said(error))


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
