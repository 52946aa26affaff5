"""Writes keras.h5 in the layout of Keras' VGG16 release, written by h5py 2. Requires h5py and numpy."""

import os

import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def count_up(*shape):
    return (np.arange(np.prod(shape), dtype=np.float32) / 8).reshape(shape)


# libver "earliest": superblock 0 and symbol tables, as in the release.
with h5py.File(os.path.join(here, "keras.h5"), "w", libver="earliest") as file:
    file.attrs["layer_names"] = [b"block1_conv1", b"block1_pool", b"deflated"]
    group = file.create_group("block1_conv1")
    group.attrs["weight_names"] = [b"block1_conv1_W_1:0", b"block1_conv1_b_1:0"]
    group["block1_conv1_W_1:0"] = count_up(3, 3, 3, 2)
    group["block1_conv1_b_1:0"] = count_up(2)
    file.create_group("block1_pool").attrs["weight_names"] = np.array([], dtype="S1")
    group = file.create_group("deflated")
    group.attrs["weight_names"] = ["kernel:0", "iterations:0"]
    group.create_dataset("kernel:0", data=count_up(4, 5), chunks=(2, 3), compression="gzip", shuffle=True)
    group["iterations:0"] = np.int64(7)
