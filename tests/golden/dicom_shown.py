"""Grey levels of a DICOM image according to pydicom. Used by dicom.py and dicom_odd.py."""
import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut


def display_levels(ds):
    """Returns the image as a viewer displays it, uint8: grey `[h, w]` or RGB `[h, w, 3]`."""
    stored = ds.pixel_array
    photometric = ds.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        rgb = pydicom.pixels.apply_color_lut(stored, ds)
        return (rgb >> 8 if rgb.dtype.itemsize == 2 else rgb).astype(np.uint8)
    if photometric.startswith(("RGB", "YBR")):
        return stored  # pydicom has converted it to RGB
    values = apply_modality_lut(stored, ds).astype(float)
    if "VOILUTSequence" in ds:
        low, high = 0, 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
        mapped = apply_voi_lut(values.astype(int), ds).astype(float)
    elif "WindowCenter" in ds and "ModalityLUTSequence" not in ds:
        # The output range of `apply_voi_lut` for a window.
        bits, slope, intercept = ds.BitsStored, ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if ds.PixelRepresentation else (0, 2**bits - 1)
        low, high = low * slope + intercept, high * slope + intercept
        mapped = apply_voi_lut(values, ds)
    else:
        padding = stored == ds.PixelPaddingValue if "PixelPaddingValue" in ds else np.zeros(stored.shape, bool)
        mapped, kept = values, values[~padding]
        low, high = kept.min(), kept.max()
    levels = np.clip((mapped - low) / max(high - low, 1e-300), 0, 1)
    inverted = photometric == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE"
    return np.floor(255 * (1 - levels if inverted else levels) + 0.5).astype(np.uint8)
