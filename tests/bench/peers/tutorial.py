"""The tutorial on Keras, from image files to scores.

    python tutorial.py DATASET WEIGHTS.safetensors

Loads the images, splits them, and trains the head for 25 epochs. In every epoch each training
image passes the frozen VGG16 with a new rotation; the test images are evaluated after every
epoch. Prints the scores as JSON.
"""
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import cv2
import keras
import numpy as np
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

EPOCHS, BATCH, RATE = 25, 8, 1e-3

dataset, weights = Path(sys.argv[1]), load_file(sys.argv[2])
paths = sorted(dataset.glob("*/*"))
classes = sorted({path.parent.name for path in paths})


def read(path):
    return cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), (224, 224))


images = np.stack([read(path) for path in paths]).astype("float32") / 255
labels = keras.utils.to_categorical([classes.index(path.parent.name) for path in paths])
train_x, test_x, train_y, test_y = train_test_split(
    images, labels, test_size=0.2, stratify=labels, random_state=42
)

base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
base.trainable = False
for layer in base.layers:
    if layer.weights:
        layer.set_weights([weights[f"{layer.name}.kernel"], weights[f"{layer.name}.bias"]])
x = layers.AveragePooling2D(4)(base.output)
x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
x = layers.Dense(len(classes), activation="softmax")(layers.Dropout(0.5)(x))
model = keras.Model(base.input, x)
decay = keras.optimizers.schedules.InverseTimeDecay(RATE, 1, RATE / EPOCHS)
adam = keras.optimizers.Adam(decay)
model.compile(loss="binary_crossentropy", optimizer=adam, metrics=["accuracy"])

rotated = ImageDataGenerator(rotation_range=15, fill_mode="nearest")
history = model.fit(
    rotated.flow(train_x, train_y, batch_size=BATCH),
    steps_per_epoch=len(train_x) // BATCH,
    validation_data=(test_x, test_y),
    epochs=EPOCHS,
    verbose=0,
).history

predicted = model.predict(test_x, batch_size=BATCH, verbose=0).argmax(1)
confusion = confusion_matrix(test_y.argmax(1), predicted)
print(json.dumps({"val_loss": history["val_loss"][-1], "confusion": confusion.tolist()}))
