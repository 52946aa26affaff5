"""Writes dicom_odd/* and dicom_odd.json beside itself: DICOM files that contradict
themselves or the standard, and what they should show or why they should be refused.

    pip install -r as for dicom.py
    python dicom_odd.py            # writes the files
    python dicom_odd.py --table    # and prints what pydicom, GDCM and DCMTK make of each

The expected levels are pydicom's of the file as it should have been: the same values,
uncompressed, with a header that is right. `note` is a piece of the note that is due, `error`
a piece of the error; both are null where the file is read without a doubt.
"""
import copy, io, json, pathlib, struct, subprocess, sys, tempfile, warnings

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.sequence import Sequence

from dicom_shown import shown

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
here = pathlib.Path(__file__).parent
folder = here / "dicom_odd"
folder.mkdir(exist_ok=True)
rows = []
ROWS, COLUMNS = 12, 20
PIXELS = 0x7FE00010


def smooth(bits, seed=0):
    """A ramp with a little noise, from 0 to the largest value of so many bits."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(seed).uniform(0, 0.1, (ROWS, COLUMNS))
    cells = (x / COLUMNS + y / ROWS) / 2 + noise
    cells = (cells - cells.min()) / (cells.max() - cells.min())
    return np.round(cells * (2**bits - 1)).astype(int)


def image(cells=None, bits=12, signed=False, allocated=None, **more):
    """A sound image in explicit little endian; `more` are elements, None removes one."""
    cells = smooth(bits) if cells is None else cells
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.Modality, ds.PatientID = "DX", "4711"
    ds.Rows, ds.Columns = cells.shape[:2]
    ds.SamplesPerPixel = 1 if cells.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if cells.ndim == 2 else "RGB"
    if cells.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = allocated or (8 if bits <= 8 else 16)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(signed)
    raw = cells.astype(f"<{'i' if signed else 'u'}{ds.BitsAllocated // 8}").tobytes()
    ds.PixelData = raw + bytes(len(raw) % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    return altered(ds, **more)


def altered(ds, **more):
    ds = copy.deepcopy(ds)
    for key, value in more.items():
        if value is None:
            delattr(ds, key)
        else:
            setattr(ds, key, value)
    return ds


def packed(ds, syntax, codestream, **more):
    """The image with these compressed pixels; `codestream` may be a list of fragments."""
    ds = altered(ds, **more)
    ds.file_meta.TransferSyntaxUID = syntax
    fragments = codestream if isinstance(codestream, list) else [even(codestream)]
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(f)) + f for f in [b""] + fragments)
    ds.PixelData = items
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def bytes_of(ds, implicit=False, big=False):
    out, ds = io.BytesIO(), copy.deepcopy(ds)
    ds.preamble = bytes(128)
    ds.file_meta.FileMetaInformationGroupLength = 0
    pydicom.dcmwrite(out, ds, implicit_vr=implicit, little_endian=not big, force_encoding=True)
    return out.getvalue()


def even(data):
    return data + bytes(len(data) % 2)


def element(tag, vr, value):
    """An element in explicit little endian as it stands, of odd length, too."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "OF", "SQ", "UN", "UT"):
        return start + struct.pack("<HI", 0, len(value)) + value
    return start + struct.pack("<H", len(value)) + value


def without_pixels(ds):
    ds = copy.deepcopy(ds)
    del ds.PixelData
    return bytes_of(ds)


def case(name, odd, sound=None, note=None, error=None, allowed=0):
    """One file: a data set or its bytes, and the sound image whose levels are right."""
    data = odd if isinstance(odd, bytes) else bytes_of(odd)
    (folder / f"{name}.dcm").write_bytes(data)
    row = {"file": f"{name}.dcm", "note": note, "error": error, "allowed": allowed}
    if sound is not None:
        levels = sound if isinstance(sound, np.ndarray) else shown(pydicom.dcmread(io.BytesIO(bytes_of(sound))))
        row |= {"shape": list(levels.shape), "levels": levels.tobytes().hex()}
    rows.append(row)


def table(count, first, bits, values, kind="<u2"):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [count, first, bits], np.asarray(values).astype(kind).tobytes()
    lut["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    lut["LUTData"].VR = "OW"
    return Sequence([lut])


# Bits above BitsStored in compressed pixels: an overlay in the upper four (pydicom#2265). No
# header says that there is one, so a note is due.
above = "bits above are ignored"
plain = smooth(12).astype(np.uint16)
overlay = (plain | (np.random.default_rng(1).integers(0, 16, plain.shape) << 12)).astype(np.uint16)
windowed = dict(WindowCenter="2000", WindowWidth="3000")
ljpeg = lambda cells, bits: imagecodecs.ljpeg_encode(cells, bitspersample=bits)
jpegls = lambda cells: imagecodecs.jpegls_encode(cells)
j2k = lambda cells, bits: imagecodecs.jpeg2k_encode(cells, codecformat="j2k", bitspersample=bits, resolutions=2,
                                                    reversible=True)
CODECS = {
    "jpeg2000": (uid.JPEG2000Lossless, lambda c: j2k(c, 16)),
    "jpegls": (uid.JPEGLSLossless, jpegls),
    "jpeg_lossless": (uid.JPEGLosslessSV1, lambda c: ljpeg(c, 16)),
    "rle": (uid.RLELossless, lambda c: pydicom.pixels.encoders.RLELosslessEncoder.encode(
        c.tobytes(), rows=ROWS, columns=COLUMNS, samples_per_pixel=1, bits_allocated=16, bits_stored=16,
        pixel_representation=0, photometric_interpretation="MONOCHROME2", number_of_frames=1)),
}
for name, (syntax, encode) in CODECS.items():
    case(f"overlay_{name}", packed(image(plain), syntax, encode(overlay)), image(plain),
         note=above)
    case(f"overlay_window_{name}", packed(image(plain, **windowed), syntax, encode(overlay)), image(plain, **windowed),
         note=above)
    lifted = (plain << 4).astype(np.uint16)
    case(f"lifted_{name}", packed(image(plain, HighBit=15), syntax, encode(lifted)), image(plain))
    eight = smooth(8).astype(np.uint16)
    case(f"eight_of_16_{name}", packed(image(eight, 8, allocated=16), syntax, encode((eight | 0xA500).astype(np.uint16))),
         image(eight, 8), note=above)
    values = smooth(12) - 2048
    stored = ((values & 0xFFF) | 0x5000).astype(np.uint16)
    case(f"signed_overlay_{name}", packed(image(values, signed=True), syntax, encode(stored)), image(values, signed=True),
         note=above)
case("overlay_signed_codestream", packed(image(smooth(12) - 2048, signed=True), uid.JPEG2000Lossless,
     j2k(((smooth(12) - 2048) & 0xFFF | 0x5000).astype(np.int16), 16)), image(smooth(12) - 2048, signed=True),
     note=above)
# Values of 12 bits under a header that says 10: both readers drop the upper bits.
case("native_wider_than_stored", image(BitsStored=10, HighBit=9), image(smooth(12) & 1023, 10), note=above)
case("codestream_wider_than_stored", packed(image(BitsStored=10, HighBit=9), uid.JPEG2000Lossless, j2k(plain, 12)),
     image(smooth(12) & 1023, 10), note=above)
case("high_bit_wrong", image(HighBit=15), image(), note="the high bit is wrong")
case("codestream_of_fewer_bits", packed(image(bits=16, cells=smooth(12)), uid.JPEG2000Lossless, j2k(plain, 12)),
     image(smooth(12), 16))

case("codestream_of_8_in_16", packed(image(eight, 8, allocated=16), uid.JPEG2000Lossless, j2k(smooth(8).astype(np.uint8), 8)),
     image(eight, 8))

# Display tables whose descriptor contradicts their entries (dicom-rs#825).
curve = np.arange(4096) ** 2 // 4095
sound = image(VOILUTSequence=table(4096, 0, 12, curve))
case("table_says_16_has_12", image(VOILUTSequence=table(4096, 0, 16, curve)), sound, note="says 16 bits")
case("table_says_8_has_12", image(VOILUTSequence=table(4096, 0, 8, curve)), sound, note="says 8 bits")
case("table_says_10_has_12", image(VOILUTSequence=table(4096, 0, 10, curve)), sound, note="says 10 bits")
wide = curve * 16 + curve // 256
case("table_says_12_has_16", image(VOILUTSequence=table(4096, 0, 12, wide)),
     image(VOILUTSequence=table(4096, 0, 16, wide)), note="says 12 bits")
case("table_says_0_bits", image(VOILUTSequence=table(4096, 0, 0, curve)), sound, note="says 0 bits")
case("table_one_short", image(VOILUTSequence=table(4096, 0, 12, curve[:-1])),
     image(VOILUTSequence=table(4095, 0, 12, curve[:-1])), note="has 4095 entries")
case("table_one_more", image(VOILUTSequence=table(4095, 0, 12, curve)),
     image(VOILUTSequence=table(4095, 0, 12, curve[:-1])), note="has 4096 entries")
case("table_half", image(VOILUTSequence=table(4096, 0, 12, curve[:1000]), **windowed), image(**windowed),
     note="is shorter than its descriptor says")
case("table_flat", image(VOILUTSequence=table(4096, 0, 12, curve * 0 + 7), **windowed), image(**windowed),
     note="at most two levels")
case("table_flat_no_window", image(VOILUTSequence=table(4096, 0, 12, curve * 0)), image(), note="at most two levels")
case("table_beside_values", image(VOILUTSequence=table(100, 60000, 8, np.arange(100)), **windowed), image(**windowed),
     note="at most two levels")
packed_lut = table(256, 0, 8, np.arange(256)[::-1], "u1")
case("table_of_bytes", image(bits=8, VOILUTSequence=packed_lut),
     255 - smooth(8).astype(np.uint8))
case("table_first_negative", image(smooth(12) - 2048, signed=True, VOILUTSequence=table(4096, -2048, 12, curve)), sound)
case("modality_table_one_short", image(ModalityLUTSequence=table(4096, 0, 16, curve[:-1])),
     image(ModalityLUTSequence=table(4095, 0, 16, curve[:-1])), note="has 4095 entries")
case("modality_table_half", image(ModalityLUTSequence=table(4096, 0, 16, curve[:1000])),
     error="a lookup table is shorter")


def palette(bits, entries, kind="<u2"):
    found = {}
    for i, colour in enumerate(("Red", "Green", "Blue")):
        found[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        found[f"{colour}PaletteColorLookupTableData"] = np.roll(entries, 85 * i).astype(kind).tobytes()
    return found | {"PhotometricInterpretation": "PALETTE COLOR"}


colours = np.random.default_rng(2).integers(0, 256, 256)
right = image(bits=8, **palette(16, colours * 257))
case("palette_says_16_has_8", image(bits=8, **palette(16, colours)), right, note="the palette says other bits")
case("palette_says_8_has_16", image(bits=8, **palette(8, colours * 257)), right, note="the palette says other bits")
case("palette_of_bytes", image(bits=8, **palette(8, colours, "u1")), right)
case("palette_of_16_bit_cells", image(smooth(8), 8, allocated=16, **palette(16, colours * 257)), right)

# Windows that show nothing.
OUTSIDE = "the window shows at most two levels"
for name, center, width, note in [
    ("outside", "90000", "400", OUTSIDE), ("below", "-9000", "400", OUTSIDE), ("width_1", "2000", "1", OUTSIDE),
    ("width_0", "2000", "0", "no width that is allowed"), ("negative", "2000", "-300", "no width that is allowed"),
    ("nan", "nan", "300", "no center"), ("blank", "", "", "no center"),
]:
    case(f"window_{name}", image(WindowCenter=center, WindowWidth=width), image(), note=note)
def reworded(ds, old, new):
    """The bytes of the image with another text, which pydicom would not write."""
    assert len(old) == len(new) and bytes_of(ds).count(old) == 1
    return bytes_of(ds).replace(old, new)


case("window_comma", reworded(image(WindowCenter="2000.5", WindowWidth="3000"), b"2000.5", b"2000,5"), image(),
     note="no center")
case("window_second", image(WindowCenter=["90000", "2000"], WindowWidth=["10", "3000"]), image(**windowed),
     note="window 2 is used")
case("window_exponent", image(WindowCenter="2.0E+03 ", WindowWidth=" 3e3"), image(**windowed))
case("window_list", image(WindowCenter=["2000 ", " 9"], WindowWidth=["3000 ", "9 "]), image(**windowed))
case("window_below_1", image(RescaleSlope="0.0001", WindowCenter="0.2", WindowWidth="0.3"), image(),
     note="no width that is allowed")
case("window_one_missing", image(WindowCenter="2000"), image(), note="no center or no width")

# Outliers where no window is given: the other levels are those of the image without them.
def outlier(value):
    cells, usual = smooth(12) + 1000, smooth(12) + 1000
    cells[5, 7], usual[5, 7] = value, np.clip(value, cells.min(), cells.max())
    return image(cells, 16), image(usual, 16)


case("outlier_bright", *outlier(65535), note="1 of 240 pixels are outliers")
# A letter or a border of 2 and of 5 % of the pixels.
for count in 5, 12:
    cells = smooth(12) + 1000
    usual = cells.copy()
    cells[5, 4:4 + count], usual[5, 4:4 + count] = 65535, cells.max()
    case(f"letter_of_{count}_pixels", image(cells, 16), image(usual, 16), note=f"{count} of 240 pixels are outliers")
far = smooth(12) + 40000
far[3, 3] = 0
usual = smooth(12) + 40000
usual[3, 3] = usual.min()
case("outlier_dark", image(far, 16), image(usual, 16), note="1 of 240 pixels are outliers")

# Lengths that do not fit.
twelve = smooth(12).astype("<u2").tobytes()
half = np.frombuffer(twelve, np.uint8)[:240].reshape(12, 20).astype(int)
case("twice_as_long", image(bits=8, PixelData=twelve), image(half, 8),
     note="PixelData has 480 bytes, its rows, columns and bits need 240")
case("half_as_long", image(PixelData=twelve[:240]), error="PixelData is shorter")
y, x = np.mgrid[:40, :30]
oval = np.round(2000 + 1500 * np.sin(x / 7) * np.cos(y / 9)).astype(int)
case("rows_and_columns_exchanged", image(oval, Rows=30, Columns=40), image(oval.reshape(30, 40)),
     note="rows and columns exchanged")

# Without pixels.
case("no_pixels", without_pixels(image()), error="the header of an image without a PixelData element")
case("empty_pixels", image(PixelData=b""), error="the PixelData element is empty")
case("float_pixels", without_pixels(image()) + element(0x7FE00008, "OF", bytes(4 * 240)), error="floating-point pixels")
case("pixels_elsewhere", without_pixels(image(PixelDataProviderURL="http://x")), error="names a server")
for name, number, what in [("report", "88.11", "a structured report"), ("presentation_state", "11.1", "a presentation"),
                           ("document", "104.1", "a document"), ("waveform", "9.1.1", "a waveform")]:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{number}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    case(name, ds, error=what)
case("cut_in_an_element", bytes_of(image())[:-100], error="the file ends before the picture does")

# Transfer syntaxes that contradict the data.
def said(ds, syntax, **encoding):
    """The bytes in one encoding, with a header that says another."""
    data = bytes_of(ds, **encoding)
    meta = altered(ds, PixelData=None)
    meta.file_meta.TransferSyntaxUID = syntax
    start = lambda data: 144 + struct.unpack("<I", data[140:144])[0]
    header = bytes_of(meta)
    return header[: start(header)] + data[start(data):]


case("says_implicit_is_explicit", said(image(), uid.ImplicitVRLittleEndian), image(),
     note="says implicit elements, they are explicit")
case("says_explicit_is_implicit", said(image(), uid.ExplicitVRLittleEndian, implicit=True), image(),
     note="says explicit little-endian elements, they are implicit")
big = image()
big.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
big.PixelData = smooth(12).astype(">u2").tobytes()
big["PixelData"].VR = "OW"
case("says_little_is_big", said(big, uid.ExplicitVRLittleEndian, big=True), image(), note="they are explicit big-endian")
case("says_big_is_little", said(image(), uid.ExplicitVRBigEndian), image(), note="they are explicit little-endian")
case("says_deflated_is_not", said(image(), uid.DeflatedExplicitVRLittleEndian), image(), note="says deflated")
case("says_jpeg2000_is_native", said(image(), uid.JPEG2000Lossless), image(), note="the pixels are uncompressed")
baseline = io.BytesIO()
Image.fromarray(smooth(8).astype(np.uint8)).save(baseline, "JPEG", quality=95)
baseline = even(baseline.getvalue())
eight = image(bits=8)
JPEG_LEVELS = shown(pydicom.dcmread(io.BytesIO(bytes_of(packed(eight, uid.JPEGBaseline8Bit, baseline)))))
case("native_syntax_jpeg_fragments", said(packed(eight, uid.JPEGBaseline8Bit, baseline), uid.ExplicitVRLittleEndian), JPEG_LEVELS,
     note="says uncompressed, the pixels are JPEG", allowed=2)
for name, (syntax, encode) in CODECS.items():
    case(f"native_syntax_{name}_fragments", said(packed(image(plain), syntax, encode(plain)), uid.ExplicitVRLittleEndian),
         image(plain), note="says uncompressed, the pixels are ")
    bare = bytes_of(packed(image(plain), syntax, even(encode(plain))))
    case(f"no_syntax_{name}_fragments", bare[144 + struct.unpack("<I", bare[140:144])[0]:], image(plain),
         note="there is no transfer syntax")
case("says_jpeg_is_jpeg2000", packed(image(plain), uid.JPEGBaseline8Bit, even(j2k(plain, 12))), image(plain),
     note="says JPEG, the pixels are JPEG 2000")
case("fragments_of_no_codec", said(packed(image(plain), uid.JPEG2000Lossless, plain.tobytes()), uid.ExplicitVRLittleEndian),
     error="name no codec")
# As pydicom writes them under an uncompressed transfer syntax: with the length of all items.
case("fragments_of_defined_length", packed(image(plain), uid.ExplicitVRLittleEndian, jpegls(plain)), image(plain),
     note="says uncompressed, the pixels are JPEG-LS")
loose = image(plain, PixelData=even(jpegls(plain)))
case("codestream_without_fragments", said(loose, uid.JPEGLSLossless), image(plain), note="not in fragments")
case("native_syntax_bare_codestream", said(loose, uid.ExplicitVRLittleEndian), image(plain),
     note="says uncompressed, the pixels are JPEG-LS")
case("says_jpeg2000_is_nothing", said(image(PixelData=bytes(100)), uid.JPEG2000Lossless), error="neither that nor")

# Headers with gaps.
case("no_bits_stored", image(smooth(16), 16, BitsStored=None, HighBit=None), image(smooth(16), 16))
case("no_representation", image(PixelRepresentation=None), image())
case("no_bits_allocated", image(BitsAllocated=None), image(), note="BitsAllocated is missing: 16")
case("no_bits_at_all_8", image(bits=8, BitsAllocated=None, BitsStored=None, HighBit=None), image(bits=8),
     note="BitsAllocated is missing: 8")
case("no_photometric", image(PhotometricInterpretation=None, SamplesPerPixel=None), image())
case("frames_with_blank", image(NumberOfFrames="1 "), image())
case("slope_0", image(RescaleSlope="0", RescaleIntercept="0"), image(), note="rescale slope is 0")
case("slope_negative", image(RescaleSlope="-1", RescaleIntercept="4095"), image(RescaleSlope="-1", RescaleIntercept="4095"))
case("slope_of_text", reworded(image(RescaleSlope="7531"), b"7531", b"none"), image(), note="rescale slope is 0 or no number")
inside = image(PixelPaddingValue=1234)
case("padding_inside", inside, inside)
cells = smooth(12) // 2 + 1000
cells[:2] = np.arange(40).reshape(2, 20) + 60
ranged = np.clip(cells, cells[2:].min(), None)
case("padding_range", image(cells, PixelPaddingValue=0, PixelPaddingRangeLimit=200), image(ranged))
case("all_padding", image(PixelPaddingValue=0, PixelPaddingRangeLimit=4095), image(), note="all pixels are padding")
case("inverted_with_table", image(PhotometricInterpretation="MONOCHROME1", VOILUTSequence=table(4096, 0, 12, curve)),
     image(PhotometricInterpretation="MONOCHROME1", VOILUTSequence=table(4096, 0, 12, curve)))

# Containers.
stream = even(jpegls(plain))
thirds = [stream[:70], stream[70:150], stream[150:]]
case("three_fragments", packed(image(plain), uid.JPEGLSLossless, thirds), image(plain))
offsets = bytes_of(packed(image(plain), uid.JPEGLSLossless, stream))
case("no_offset_table", offsets.replace(struct.pack("<HHI", 0xFFFE, 0xE000, 0), b"", 1), image(plain))
extended = packed(image(plain), uid.JPEGLSLossless, stream)
extended.ExtendedOffsetTable, extended.ExtendedOffsetTableLengths = encapsulate_extended([stream])[1:]
case("extended_offset_table", extended, image(plain))
odd_stream = jpegls(plain)
odd_stream = odd_stream + bytes(1 - len(odd_stream) % 2)
whole = bytes_of(packed(image(plain), uid.JPEGLSLossless, odd_stream))
even_item = struct.pack("<HHI", 0xFFFE, 0xE000, len(odd_stream) + 1) + odd_stream + b"\0"
assert even_item in whole
case("odd_fragment", whole.replace(even_item, struct.pack("<HHI", 0xFFFE, 0xE000, len(odd_stream)) + odd_stream),
     image(plain))
case("zeros_after_the_end", packed(eight, uid.JPEGBaseline8Bit, baseline + bytes(64)), JPEG_LEVELS, allowed=2)
case("two_pictures", packed(eight, uid.JPEGBaseline8Bit, [baseline, baseline]), JPEG_LEVELS, allowed=2,
     note="several fragments begin a picture")
case("boxes_around_jpeg2000", packed(image(plain), uid.JPEG2000Lossless, even(
    imagecodecs.jpeg2k_encode(plain, codecformat="jp2", bitspersample=12, resolutions=2, reversible=True))), image(plain))
case("no_end_of_fragments", bytes_of(packed(image(plain), uid.JPEGLSLossless, stream))[:-8],
     error="the file ends before the picture does")

# Elements.
odd_cells = smooth(8)[:11, :19]
odd_length = image(odd_cells, 8)
case("odd_length", without_pixels(odd_length) + element(PIXELS, "OB", odd_cells.astype(np.uint8).tobytes()), odd_length)
trailing = bytes_of(image()) + element(0xFFFCFFFC, "OB", bytes(100))
case("trailing_padding", trailing, image())
case("pixels_of_unknown_kind", without_pixels(image()) + element(PIXELS, "UN", twelve), image())
icon = Dataset()
icon.Rows = icon.Columns = 4
icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
icon.BitsAllocated = icon.BitsStored = 8
icon.HighBit, icon.PixelRepresentation, icon.PixelData = 7, 0, bytes(range(16))
icon["PixelData"].VR = "OB"
with_icon = image(IconImageSequence=Sequence([icon]))
case("icon", with_icon, image())
with_icon["IconImageSequence"].is_undefined_length = True
with_icon.IconImageSequence[0].is_undefined_length_sequence_item = True
case("icon_of_undefined_length", with_icon, image())
start = 144 + struct.unpack("<I", bytes_of(image())[140:144])[0]
sound = bytes_of(image())
case("group_lengths", sound[:start] + element(0x00080000, "UL", struct.pack("<I", 9999)) + sound[start:], image())
clash = (element(0x00090010, "LO", b"A ") + element(0x00090011, "LO", b"A ") + element(0x00091010, "UN", b"\x28\0\x10\0")
         + element(0x00091110, "US", b"\x10\0"))
at = sound.index(element(0x00100020, "LO", b"4711"))
case("private_clash", sound[:at] + clash + sound[at:], image())
unknown = struct.pack("<HH2sHI", 9, 0x1010, b"UN", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + (
    struct.pack("<HHI", 0x28, 0x10, 2) + b"\x07\0") + struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack(
    "<HHI", 0xFFFE, 0xE0DD, 0)
case("unknown_sequence", sound[:at] + unknown + sound[at:], image())
charset = image(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="x")
case("odd_characters", bytes_of(charset).replace(b"PN\x02\0x ", b"PN\x06\0\xff\x1b$B\xfe\\"), image())
case("no_preamble", sound[132:], image())
case("mark_without_preamble", sound[128:], image())
tiff = b"II*\0\x08\0\0\0\0\0\0\0"
case("preamble_of_a_tiff", tiff + bytes(128 - len(tiff)) + sound[128:], image())
big8 = image(bits=8)
big8.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
swapped = np.frombuffer(big8.PixelData, "<u2").astype(">u2").tobytes()
big8.PixelData = swapped
big8["PixelData"].VR = "OW"
case("big_endian_8_in_words", bytes_of(big8, big=True), image(bits=8))
case("mixed_explicit", sound.replace(element(0x00280010, "US", b"\x0c\0"), struct.pack("<HHI", 0x28, 0x10, 2) + b"\x0c\0"),
     image())

# Colours.
rgb = np.stack([smooth(8, seed) for seed in range(3)], axis=2)
narrow = rgb[:, :19]
case("planes_of_odd_width", image(narrow[:11], 8, PlanarConfiguration=1, PixelData=even(
    narrow[:11].astype(np.uint8).transpose(2, 0, 1).tobytes())), image(narrow[:11], 8))
ybr = dict(PhotometricInterpretation="YBR_FULL_422")
full = image(rgb, 8, PhotometricInterpretation="YBR_FULL")
case("says_422_is_full", image(rgb, 8, **ybr), full, note="every pixel has chroma", allowed=1)
halved = rgb[:, :, :2].astype(np.uint8).tobytes()
pairs = rgb[:, :, :2].astype(np.uint8).reshape(ROWS, COLUMNS // 2, 4)
spread = np.stack([pairs[:, :, :2].reshape(ROWS, COLUMNS)] + [np.repeat(pairs[:, :, i], 2, 1) for i in (2, 3)], axis=2)
spread = image(spread.astype(int), 8, PhotometricInterpretation="YBR_FULL")
case("says_full_is_422", image(rgb, 8, PhotometricInterpretation="YBR_FULL", PixelData=halved), spread,
     note="every second pixel has chroma", allowed=1)
case("ybr_422", image(rgb, 8, PixelData=halved, **ybr), spread, allowed=1)

plain_rgb = io.BytesIO()
Image.fromarray(rgb.astype(np.uint8)).save(plain_rgb, "JPEG", quality=98, subsampling=0, keep_rgb=True)
plain_rgb = even(plain_rgb.getvalue())
in_rgb = packed(image(rgb, 8), uid.JPEGBaseline8Bit, plain_rgb)
in_rgb = shown(pydicom.dcmread(io.BytesIO(bytes_of(in_rgb))))
case("says_ybr_is_rgb_jpeg", packed(image(rgb, 8, PhotometricInterpretation="YBR_FULL"), uid.JPEGBaseline8Bit, plain_rgb),
     in_rgb, note="the JPEG is believed", allowed=2)

# What is refused in words.
for name, bits in [("bits_1", 1), ("bits_12_packed", 12), ("bits_32", 32)]:
    case(name, image(BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1), error="samples of other than 8 or 16 bits")
case("cmyk", image(PhotometricInterpretation="CMYK"), error="its photometric interpretation")
case("stored_above_allocated", image(bits=8, BitsStored=12, HighBit=11), error="its bits do not fit")
case("grey_says_3_samples", image(SamplesPerPixel=3), error="its colours do not fit")
case("codestream_of_other_size", packed(image(plain, Rows=20, Columns=12), uid.JPEGLSLossless, stream), error="")
colour_ls = even(imagecodecs.jpegls_encode(rgb.astype(np.uint8)))
case("jpegls_in_colour", packed(image(rgb, 8), uid.JPEGLSLossless, colour_ls), error="JPEG-LS in colour")

known = {row["file"] for row in rows}
for path in folder.iterdir():
    if path.name not in known:
        path.unlink()
(here / "dicom_odd.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")

if "--table" in sys.argv:
    def by_pydicom(path, row):
        try:
            ds = pydicom.dcmread(path, force=True)
            levels = shown(ds)
        except Exception as e:
            return f"fails: {type(e).__name__}"
        return against(levels, row)

    def against(levels, row):
        if "levels" not in row:
            return f"mean {levels.mean():.0f}"
        expected = np.frombuffer(bytes.fromhex(row["levels"]), np.uint8)
        if levels.size != expected.size:
            return f"other shape {levels.shape}"
        off = np.abs(levels.ravel().astype(int) - expected)
        return "equal" if off.max() <= max(2, row["allowed"]) else f"differs: mean {levels.mean():.0f} for {expected.mean():.0f}"

    def by_dcmtk(path, row):
        """With the first window or table, else the range of the values."""
        for window in (["+Wl", "1"], ["+Wi", "1"], ["+Wm"]):
            with tempfile.NamedTemporaryFile(suffix=".pnm") as out:
                for program in ("dcmj2pnm", "dcml2pnm"):
                    done = subprocess.run([program, "-q", "+op", *window, path, out.name], capture_output=True)
                    if done.returncode == 0:
                        return against(np.asarray(Image.open(out.name)), row)
        return "fails"

    for row in rows:
        path = str(folder / row["file"])
        ours = f"refused: {row['error']}" if row["error"] is not None else "read" + (f", note: {row['note']}" if row["note"] else "")
        print("|", " | ".join([row["file"][:-4], by_pydicom(path, row), by_dcmtk(path, row), ours]), "|")
