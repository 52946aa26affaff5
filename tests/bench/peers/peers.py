"""One peer, in a process of its own so that its memory is its own.

    python peers.py prepare FOLDER
    python peers.py tensorflow|onnxruntime|openvino FOLDER THREADS COUNT
    python peers.py errors FOLDER NET...
    python peers.py weights FOLDER
    python peers.py opencv FOLDER PROCESSES

`compare.py` runs it. FOLDER holds what the peers share: `images.npy`, the images
as `cxr-preprocess` wrote them, [images, 224, 224, 3] in 8 bits; `weights`, the
safetensors file; and what `prepare` makes of these two:

    vgg16.onnx     the net for batches of 8
    reference.npy  maps [2, 7, 7, 512] of the first and the last image in f64

Each net computes the maps of the same two images, written to its .npy, then
those of COUNT images in full batches, which are timed. Results go out as JSON.
"""
import json
import os
import sys
import time
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
BATCH = 8
JUDGED = [0, -1]  # images whose maps are compared


def layers(folder):
    """Kernel [3, 3, in, out] and bias of each layer, and whether a 2x2 max pool follows."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "weights")
    for block, convolutions in enumerate((2, 2, 3, 3, 3), 1):
        for i in range(1, convolutions + 1):
            name = f"block{block}_conv{i}"
            yield tensors[f"{name}.kernel"], tensors[f"{name}.bias"], i == convolutions


def batch(folder, rows):
    """Images as the nets take them, [n, 224, 224, 3] in 0..=1."""
    return np.load(folder / "images.npy", mmap_mode="r")[rows].astype(np.float32) / np.float32(255)


# Nets: each returns a function from a batch to its maps [8, 7, 7, 512].


def tensorflow(folder, threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import keras

    net = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    net.set_weights([tensor for kernel, bias, _ in layers(folder) for tensor in (kernel, bias)])
    run = tf.function(lambda images: net(images, training=False))
    return lambda images: run(tf.constant(images)).numpy()


def onnxruntime(folder, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "vgg16.onnx", options, ["CPUExecutionProvider"])
    return channels_last(lambda images: session.run(None, {"images": images})[0])


def openvino(folder, threads):
    import openvino

    # Left to itself, it computes in bf16 where the processor can.
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    net = openvino.Core().compile_model(folder / "vgg16.onnx", "CPU", settings)
    return channels_last(lambda images: net(images)[0])


def channels_last(net):
    """A net that wants its channels first, made to take and give them last."""
    first = lambda images: np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return lambda images: net(first(images)).transpose(0, 2, 3, 1)


def time_net(name, folder, threads, count):
    net = globals()[name](folder, threads)
    warm_up = net(batch(folder, np.resize(JUDGED, BATCH)))
    np.save(folder / f"{name}.npy", warm_up[: len(JUDGED)])
    images = count // BATCH * BATCH
    images = len(np.load(folder / "images.npy", mmap_mode="r"))
    started = time.perf_counter()
    for rows in (np.arange(images) % images).reshape(-1, BATCH):
        net(batch(folder, rows))
    return {"images": images, "seconds": time.perf_counter() - started}


# What the nets need, and are judged by.


def prepare(folder):
    write_onnx(folder)
    maps = batch(folder, JUDGED).astype(np.float64)
    for kernel, bias, pool in layers(folder):
        n, height, width, _ = maps.shape
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
        sums = bias.astype(np.float64)
        for i, j in np.ndindex(3, 3):
            shifted = padded[:, i : i + height, j : j + width].reshape(n * height * width, -1)
            sums = sums + shifted @ kernel[i, j].astype(np.float64)
        maps = np.maximum(sums, 0).reshape(n, height, width, -1)
        if pool:
            maps = maps.reshape(n, height // 2, 2, width // 2, 2, -1).max((2, 4))
    np.save(folder / "reference.npy", maps)


def write_onnx(folder):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, last = [], [], "images"

    def add(operator, *parameters, **attributes):
        nonlocal last
        inputs, last = [last, *parameters], f"{operator}{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [last], **attributes))

    for i, (kernel, bias, pool) in enumerate(layers(folder)):
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        tensors.append(numpy_helper.from_array(kernel, f"kernel{i}"))
        tensors.append(numpy_helper.from_array(bias, f"bias{i}"))
        add("Conv", f"kernel{i}", f"bias{i}", pads=[1, 1, 1, 1])
        add("Relu")
        if pool:
            add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [BATCH, 3, 224, 224])
    maps = helper.make_tensor_value_info(last, TensorProto.FLOAT, [BATCH, 512, 7, 7])
    graph = helper.make_graph(nodes, "vgg16", [images], [maps], tensors)
    version = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 10}
    onnx.save(helper.make_model(graph, **version), folder / "vgg16.onnx")


def errors(folder, *nets):
    """Norm of the difference to f64 over the norm, of the means over cells of the maps.

    These are what a head gets, and what cxr wrote to `global.npy` and `tutorial.npy`, a row
    for each image.
    """
    maps = np.load(folder / "reference.npy")

    def error(features, maps):
        expected = maps.mean((1, 2))
        return np.linalg.norm(features - expected) / np.linalg.norm(expected)

    def load(name):
        return np.load(folder / f"{name}.npy").astype(np.float64)

    return {name: error(load(name).mean((1, 2)), maps) for name in nets} | {
        "global": error(load("global")[JUDGED], maps),
        "tutorial": error(load("tutorial")[JUDGED], maps[:, :4, :4]),
    }


def weights(folder):
    """Random weights in the shapes of VGG16's, scaled to keep the variance (He et al. 2015)."""
    from safetensors.numpy import save_file

    random, tensors, width = np.random.default_rng(0), {}, 3
    for block, (convolutions, filters) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for i in range(1, convolutions + 1):
            kernel = random.normal(0, np.sqrt(2 / (9 * width)), (3, 3, width, filters))
            tensors[f"block{block}_conv{i}.kernel"] = kernel.astype(np.float32)
            tensors[f"block{block}_conv{i}.bias"] = np.zeros(filters, np.float32)
            width = filters
    save_file(tensors, folder / "random.safetensors")


# Decode and resize.


def read(path):
    import cv2

    image = cv2.imread(path)
    return None if image is None else cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (224, 224))


def opencv(folder, processes):
    """Decodes and resizes the images of `images/`, one thread to each process."""
    import cv2

    images = sorted(str(path) for path in folder.glob("images/*/*"))
    with Pool(processes, cv2.setNumThreads, [1]) as pool:
        pool.map(len, images, chunksize=1)  # until all have started
        started = time.perf_counter()
        images = [image for image in pool.map(read, images, chunksize=4) if image is not None]
        np.save(folder / "opencv.npy", np.stack(images))
        return {"images": len(images), "seconds": time.perf_counter() - started}


def main(task, folder, *arguments):
    folder, arguments = Path(folder), [int(n) if n.isdigit() else n for n in arguments]
    tasks = {"prepare": prepare, "errors": errors, "opencv": opencv, "weights": weights}
    run = tasks.get(task) or partial(time_net, task)
    print(json.dumps(run(folder, *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
