"""Named checks that go on after one failed, and end the script with what failed."""

import sys
import traceback

passed = 0
failed = []


def check(promise, holds, detail=""):
    global passed
    if holds:
        passed += 1
        return
    failed.append(promise)
    print(f"FAILED {promise} {detail}", flush=True)


def refused(promise, error_code, action, words=""):
    """`action` must be refused by the server with that code, in a message that has `words`."""
    from mlflow.exceptions import MlflowException

    try:
        answer = action()
    except MlflowException as error:
        right = error.error_code == error_code and words in str(error)
        check(promise, right, f"got {error.error_code}: {error}")
    else:
        check(promise, False, f"it was done: {answer!r}")


def part(name, run, *args):
    """One part of a script; what it throws is a failed check of its name."""
    try:
        return run(*args)
    except Exception:
        traceback.print_exc()
        check(name, False, "threw")
        return None


def finish():
    print(f"{passed} checks held, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)
