"""Runs each peer and cxr in turn on the same images; prints Markdown tables.

`run.sh` calls it. Every measurement is a process of its own, on the same cores,
and the rounds go through all programs, so that a slow minute of the machine
hits them alike.
"""
import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from importlib.metadata import distributions, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
WORK = ROOT / "target/peers/work"
BIN = Path(os.environ["CXR_BIN"]).resolve()
ARTIFACTS = WORK / "artifacts"
IMAGES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

PEERS = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO f32"}
POOLINGS = {"global": "cxr, full maps", "tutorial": "cxr, what the tutorial's head sees"}
RATIOS = ["over the best peer: bests", "medians"]


def arguments():
    shared = ROOT.parent / "shared"
    weights = os.environ.get("CXR_WEIGHTS", shared / "weights/vgg16_imagenet_notop.safetensors")
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n")[0])
    cores = len(os.sched_getaffinity(0))
    option = partial(parser.add_argument, metavar="")
    dataset, images = shared / "data/tutorial/dataset", shared / "data"
    option("--dataset", type=Path, default=dataset, help="class folders to extract and learn from")
    option("--images", type=Path, default=images, help="folder of images to decode, however deep")
    option("--weights", type=Path, default=weights, help="of VGG16, safetensors")
    option("--rounds", type=int, default=3, help="measurements of each program [3]")
    option("--rotations", type=int, default=5, help="of each training image, for more images [5]")
    option("--threads", type=int, default=cores, help="cores to use [all]")
    parser.add_argument("--job", action="store_true", help="also the whole tutorial, once")
    small = "one round with ONNX Runtime and OpenCV, on 8 synthetic images and random weights"
    parser.add_argument("--small", action="store_true", help=small)
    return parser.parse_args()


def make_small(args):
    """Replaces the inputs by synthetic ones, and leaves one peer of each kind."""
    for peer in ("tensorflow", "openvino"):
        del PEERS[peer]
    args.rounds, args.rotations = 1, 1
    args.dataset = args.images = WORK / "synthetic"
    args.weights = WORK / "random.safetensors"
    folder = ["--dataset", args.dataset]
    measure(BIN / "cxr-phantom", *folder, "--images", 4)
    measure(BIN / "cxr-build-covid", *folder)
    measure(BIN / "cxr-sample-normal", *folder, "--count", 4)
    measure(sys.executable, HERE / "peers.py", "weights", WORK)


# Measuring.


def measure(*command):
    """Runs a command: its stdout, its seconds, its peak memory in MB.

    The peak counts the process and its children: the most they held together
    when looked at, every 50 ms, or the kernel's own figure for the largest of
    them, whichever is more. The kernel starts that figure from the size of this
    script, which is why NumPy is not used in it.
    """
    command = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, cwd=WORK)
        ended, seen = threading.Event(), [0]

        def watch():
            while not ended.wait(0.05):
                seen.append(resident(child.pid))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        ended.set()
        watcher.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if child.returncode != 0:
            sys.exit(f"`{' '.join(command)}` exited with {child.returncode}:\n{err.read()}")
        return out.read(), seconds, max(*seen, usage.ru_maxrss * 1024) / 1e6


def resident(pid):
    """Bytes that a process and all below it hold in memory."""
    process = Path(f"/proc/{pid}")
    try:
        pages = int((process / "statm").read_text().split()[1])
        tasks = [task.read_text().split() for task in process.glob("task/*/children")]
    except OSError:  # it has just ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident, sum(tasks, [])))


def peer(name, *arguments):
    """Images/s and peak memory of a peer of `peers.py`."""
    out, _, peak = measure(sys.executable, HERE / "peers.py", name, WORK, *arguments)
    result = json.loads(out)
    return result["images"] / result["seconds"], peak


def cxr(stage, *flags):
    """The JSON document of a stage, its seconds and its peak memory."""
    flags = ["--profile", "tutorial", "--artifacts", ARTIFACTS, "--json", *flags]
    out, seconds, peak = measure(BIN / f"cxr-{stage}", *flags)
    return json.loads(out), seconds, peak


def rounds(n, contenders):
    """Runs all contenders `n` times in turn: name to (rates, peak memory)."""
    results = {name: ([], []) for name in contenders}
    for i in range(n):
        for name, contender in contenders.items():
            rate, peak = contender()
            progress = f"round {i + 1} of {n}: {name}: {rate:.2f}/s, {peak:.0f} MB"
            print(progress, file=sys.stderr)
            results[name][0].append(rate)
            results[name][1].append(peak)
    return {name: (rates, max(peaks)) for name, (rates, peaks) in results.items()}


def rates(results, peers):
    """Columns of each contender: best and median rate, alone and over the peers' highest."""
    best, median = max, statistics.median
    columns = {}
    for name, (own, _) in results.items():
        over = [of(own) / max(of(results[peer][0]) for peer in peers) for of in (best, median)]
        columns[name] = [f"{number:.2f}" for number in (best(own), median(own), *over)]
    return columns


def table(title, head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    print(f"{title}:\n", *(f"| {' | '.join(line)} |" for line in lines), "", sep="\n", flush=True)


# The comparisons.


def extraction(args):
    """Images through VGG16 without top, in batches of 8."""
    threads = ["--threads", args.threads]
    cxr("preprocess", "--dataset", args.dataset, *threads)
    cxr("split")
    stages = ARTIFACTS / "tutorial"
    link(WORK / "images.npy", stages / "preprocess/images.npy")
    link(WORK / "weights", args.weights)
    measure(sys.executable, HERE / "peers.py", "prepare", WORK)
    split = json.loads((stages / "split/split.json").read_text())
    count = len(split["train"]) * (1 + args.rotations) + len(split["test"])

    def extract(pooling):
        flags = ["--rotations", args.rotations, "--pooling", pooling, "--weights", args.weights]
        result, _, peak = cxr("extract", "--no-cache", *flags, *threads)
        shutil.copy(stages / "extract/features.npy", WORK / f"{pooling}.npy")
        return result["computed"] / result["seconds"], peak

    contenders = {title: partial(peer, name, args.threads, count) for name, title in PEERS.items()}
    contenders |= {title: partial(extract, pooling) for pooling, title in POOLINGS.items()}
    results = rounds(args.rounds, contenders)
    columns = rates(results, PEERS.values())
    nets = [*PEERS]
    errors = json.loads(measure(sys.executable, HERE / "peers.py", "errors", WORK, *nets)[0])
    errors = {title: errors[name] for name, title in (PEERS | POOLINGS).items()}
    peaks = {name: f"{peak:.0f} MB" for name, (_, peak) in results.items()}
    table(
        f"VGG16 without top, {count} images in batches of 8, {args.rounds} rounds",
        ["", "images/s, best", "median", *RATIOS, "error against f64", "peak memory"],
        [[name, *columns[name], f"{errors[name]:.1e}", peaks[name]] for name in results],
    )


def decoding(args):
    """Images to 224 x 224 pixels."""
    folder = WORK / "images"
    shutil.rmtree(folder, ignore_errors=True)
    for image in sorted(args.images.rglob("*")):
        if image.suffix.lower() in IMAGES and image.is_file():
            below = image.relative_to(args.images)
            link(folder / "-".join(below.parent.parts or ["images"]) / below.name, image)

    def preprocess():
        flags = ["--dataset", folder, "--follow-links", "--threads", args.threads]
        result, seconds, peak = cxr("preprocess", *flags)
        return result["images"] / seconds, peak

    opencv = f"OpenCV, {args.threads} processes"
    contenders = {opencv: partial(peer, "opencv", args.threads)}
    contenders |= {f"cxr-preprocess --threads {args.threads}": preprocess}
    results = rounds(args.rounds, contenders)
    columns = rates(results, [opencv])
    images = sum(1 for _ in folder.glob("*/*"))
    table(
        f"Decode and resize, {images} images, {args.rounds} rounds",
        ["", "images/s, best", "median", *RATIOS, "peak memory"],
        [[name, *columns[name], f"{results[name][1]:.0f} MB"] for name in results],
    )


def job(args):
    """The whole tutorial, from images to scores."""
    os.environ["CXR_WEIGHTS"] = str(args.weights)
    script = [HERE / "tutorial.py", args.dataset, args.weights]
    scores, keras, keras_peak = measure(sys.executable, *script)
    print(f"Keras: {keras:.1f} s, {scores.strip()}", file=sys.stderr)
    flags = ["--profile", "tutorial", "--artifacts", WORK / "job", "--threads", args.threads]
    shutil.rmtree(WORK / "job", ignore_errors=True)
    _, cold, cold_peak = measure(BIN / "cxr", "run", "--dataset", args.dataset, *flags)
    stages = ("train", "evaluate", "plot")
    again = [measure(BIN / "cxr", stage, *flags, "--seed", 7)[1:] for stage in stages]
    retrain, retrain_peak = sum(seconds for seconds, _ in again), max(peak for _, peak in again)

    def row(title, seconds, peak):
        return [title, f"{seconds:.2f} s", f"{keras / seconds:.1f}", f"{peak:.0f} MB"]

    head = ["", "start to end", "times as fast as Keras", "peak memory"]
    table("The tutorial's job, once", head, [
        row("Keras script", keras, keras_peak),
        row("`cxr run --profile tutorial`, nothing cached", cold, cold_peak),
        row("`cxr train`, `cxr evaluate`, `cxr plot` with another seed", retrain, retrain_peak),
    ])


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def machine(threads):
    """What the numbers hold for."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    packages = ["tensorflow-cpu", "keras", "onnxruntime", "openvino", "opencv-python-headless"]
    installed = {d.metadata["Name"].lower() for d in distributions()}
    peers = ", ".join(f"{name} {version(name)}" for name in packages if name in installed)
    day = datetime.datetime.now(datetime.timezone.utc).date()
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    return f"{day}, {threads} cores of {model}, {load}; {peers}.\n"


def main():
    args = arguments()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    if args.small:
        make_small(args)
    for name in ("dataset", "images", "weights"):
        path = getattr(args, name).resolve()
        setattr(args, name, path)
        if not path.exists():
            sys.exit(f"there is no `{path}`: name another with `--{name}`")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    print(machine(args.threads), flush=True)
    extraction(args)
    decoding(args)
    if args.job:
        job(args)


if __name__ == "__main__":
    main()
