"""Writes dicom_odd/* and dicom_odd.json in this folder: DICOM files that contradict themselves or
the standard, with the expected grey levels, note or error.

    pip install ...                # the packages of dicom.py
    python dicom_odd.py            # writes the files
    python dicom_odd.py --table    # also prints the results of pydicom and DCMTK

The expected levels are the levels that pydicom returns for the valid file: the same values,
uncompressed, with a correct header. `note` is a part of the expected note, `error` a part of the
expected error message; null if none is expected. `allowed` is the tolerance in levels.
"""
import copy, io, json, pathlib, struct, subprocess, sys, tempfile, warnings

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate_extended
from pydicom.sequence import Sequence

from dicom_shown import display_levels

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
    """Returns a ramp with little noise, from 0 to the largest value of `bits` bits."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(seed).uniform(0, 0.1, (ROWS, COLUMNS))
    cells = (x / COLUMNS + y / ROWS) / 2 + noise
    cells = (cells - cells.min()) / (cells.max() - cells.min())
    return np.round(cells * (2**bits - 1)).astype(int)


def image(cells=None, bits=12, signed=False, allocated=None, **elements):
    """Returns a valid image in explicit little endian, changed as by `with_elements`."""
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
    return with_elements(ds, **elements)


def with_elements(ds, **elements):
    """Returns a copy with these elements; the value None removes an element."""
    ds = copy.deepcopy(ds)
    for key, value in elements.items():
        if value is None:
            delattr(ds, key)
        else:
            setattr(ds, key, value)
    return ds


def compressed(ds, syntax, codestream, **elements):
    """Returns a copy with compressed pixels; `codestream` may be a list of fragments."""
    ds = with_elements(ds, **elements)
    ds.file_meta.TransferSyntaxUID = syntax
    fragments = codestream if isinstance(codestream, list) else [even(codestream)]
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(f)) + f for f in [b""] + fragments)
    ds.PixelData = items
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def to_bytes(ds, implicit=False, big=False):
    out, ds = io.BytesIO(), copy.deepcopy(ds)
    ds.preamble = bytes(128)
    ds.file_meta.FileMetaInformationGroupLength = 0
    pydicom.dcmwrite(out, ds, implicit_vr=implicit, little_endian=not big, force_encoding=True)
    return out.getvalue()


def even(data):
    return data + bytes(len(data) % 2)


def element(tag, vr, value):
    """Returns the bytes of an element in explicit little endian, without padding to even length."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "OF", "SQ", "UN", "UT"):
        return start + struct.pack("<HI", 0, len(value)) + value
    return start + struct.pack("<H", len(value)) + value


def without_pixels(ds):
    return to_bytes(with_elements(ds, PixelData=None))


def pydicom_levels(ds):
    return display_levels(pydicom.dcmread(io.BytesIO(to_bytes(ds))))


def write_case(name, file, valid=None, note=None, error=None, allowed=0):
    """Writes a data set or bytes to a file. The expected levels are those of `valid`."""
    data = file if isinstance(file, bytes) else to_bytes(file)
    (folder / f"{name}.dcm").write_bytes(data)
    row = {"file": f"{name}.dcm", "note": note, "error": error, "allowed": allowed}
    if valid is not None:
        levels = valid if isinstance(valid, np.ndarray) else pydicom_levels(valid)
        row |= {"shape": list(levels.shape), "levels": levels.tobytes().hex()}
    rows.append(row)


def lookup_table(count, first, bits, values, kind="<u2"):
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
    write_case(f"overlay_{name}", compressed(image(plain), syntax, encode(overlay)), image(plain),
         note=above)
    write_case(f"overlay_window_{name}", compressed(image(plain, **windowed), syntax, encode(overlay)), image(plain, **windowed),
         note=above)
    lifted = (plain << 4).astype(np.uint16)
    write_case(f"lifted_{name}", compressed(image(plain, HighBit=15), syntax, encode(lifted)), image(plain))
    eight = smooth(8).astype(np.uint16)
    write_case(f"eight_of_16_{name}", compressed(image(eight, 8, allocated=16), syntax, encode((eight | 0xA500).astype(np.uint16))),
         image(eight, 8), note=above)
    values = smooth(12) - 2048
    stored = ((values & 0xFFF) | 0x5000).astype(np.uint16)
    write_case(f"signed_overlay_{name}", compressed(image(values, signed=True), syntax, encode(stored)), image(values, signed=True),
         note=above)
write_case("overlay_signed_codestream", compressed(image(smooth(12) - 2048, signed=True), uid.JPEG2000Lossless,
     j2k(((smooth(12) - 2048) & 0xFFF | 0x5000).astype(np.int16), 16)), image(smooth(12) - 2048, signed=True),
     note=above)
# Values of 12 bits under a header that says 10: both readers drop the upper bits. If the codestream
# states 12 bits, its own bits are used: expected is pydicom's result for a header of 12 bits.
write_case("native_wider_than_stored", image(BitsStored=10, HighBit=9), image(smooth(12) & 1023, 10), note=above)
write_case("codestream_wider_than_stored", compressed(image(BitsStored=10, HighBit=9), uid.JPEG2000Lossless, j2k(plain, 12)),
     image(), note="the header says 10 bits, the compressed pixels have 12")
write_case("high_bit_wrong", image(HighBit=15), image(), note="the high bit is wrong")
write_case("codestream_of_fewer_bits", compressed(image(bits=16, cells=smooth(12)), uid.JPEG2000Lossless, j2k(plain, 12)),
     image(smooth(12), 16))

write_case("codestream_of_8_in_16", compressed(image(eight, 8, allocated=16), uid.JPEG2000Lossless, j2k(smooth(8).astype(np.uint8), 8)),
     image(eight, 8))

# VOI LUTs whose descriptor contradicts their entries (dicom-rs#825).
curve = np.arange(4096) ** 2 // 4095
valid = image(VOILUTSequence=lookup_table(4096, 0, 12, curve))
write_case("table_says_16_has_12", image(VOILUTSequence=lookup_table(4096, 0, 16, curve)), valid, note="says 16 bits")
write_case("table_says_8_has_12", image(VOILUTSequence=lookup_table(4096, 0, 8, curve)), valid, note="says 8 bits")
write_case("table_says_10_has_12", image(VOILUTSequence=lookup_table(4096, 0, 10, curve)), valid, note="says 10 bits")
wide = curve * 16 + curve // 256
write_case("table_says_12_has_16", image(VOILUTSequence=lookup_table(4096, 0, 12, wide)),
     image(VOILUTSequence=lookup_table(4096, 0, 16, wide)), note="says 12 bits")
write_case("table_says_0_bits", image(VOILUTSequence=lookup_table(4096, 0, 0, curve)), valid, note="says 0 bits")
write_case("table_one_short", image(VOILUTSequence=lookup_table(4096, 0, 12, curve[:-1])),
     image(VOILUTSequence=lookup_table(4095, 0, 12, curve[:-1])), note="has 4095 entries")
write_case("table_one_more", image(VOILUTSequence=lookup_table(4095, 0, 12, curve)),
     image(VOILUTSequence=lookup_table(4095, 0, 12, curve[:-1])), note="has 4096 entries")
write_case("table_half", image(VOILUTSequence=lookup_table(4096, 0, 12, curve[:1000]), **windowed), image(**windowed),
     note="is shorter than its descriptor says")
write_case("table_flat", image(VOILUTSequence=lookup_table(4096, 0, 12, curve * 0 + 7), **windowed), image(**windowed),
     note="at most two levels")
write_case("table_flat_no_window", image(VOILUTSequence=lookup_table(4096, 0, 12, curve * 0)), image(), note="at most two levels")
write_case("table_beside_values", image(VOILUTSequence=lookup_table(100, 60000, 8, np.arange(100)), **windowed), image(**windowed),
     note="at most two levels")
packed_lut = lookup_table(256, 0, 8, np.arange(256)[::-1], "u1")
write_case("table_of_bytes", image(bits=8, VOILUTSequence=packed_lut),
     255 - smooth(8).astype(np.uint8))
write_case("table_first_negative", image(smooth(12) - 2048, signed=True, VOILUTSequence=lookup_table(4096, -2048, 12, curve)), valid)
write_case("modality_table_one_short", image(ModalityLUTSequence=lookup_table(4096, 0, 16, curve[:-1])),
     image(ModalityLUTSequence=lookup_table(4095, 0, 16, curve[:-1])), note="has 4095 entries")
write_case("modality_table_half", image(ModalityLUTSequence=lookup_table(4096, 0, 16, curve[:1000])),
     error="a lookup table is shorter")


def palette(bits, entries, kind="<u2"):
    elements = {}
    for i, colour in enumerate(("Red", "Green", "Blue")):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{colour}PaletteColorLookupTableData"] = np.roll(entries, 85 * i).astype(kind).tobytes()
    return elements | {"PhotometricInterpretation": "PALETTE COLOR"}


colours = np.random.default_rng(2).integers(0, 256, 256)
right = image(bits=8, **palette(16, colours * 257))
write_case("palette_says_16_has_8", image(bits=8, **palette(16, colours)), right, note="the palette says other bits")
write_case("palette_says_8_has_16", image(bits=8, **palette(8, colours * 257)), right, note="the palette says other bits")
write_case("palette_of_bytes", image(bits=8, **palette(8, colours, "u1")), right)
write_case("palette_of_16_bit_cells", image(smooth(8), 8, allocated=16, **palette(16, colours * 257)), right)

# Windows with at most two levels, or without a valid centre or width.
OUTSIDE = "the window shows at most two levels"
for name, center, width, note in [
    ("outside", "90000", "400", OUTSIDE), ("below", "-9000", "400", OUTSIDE), ("width_1", "2000", "1", OUTSIDE),
    ("width_0", "2000", "0", "no width that is allowed"), ("negative", "2000", "-300", "no width that is allowed"),
    ("nan", "nan", "300", "no center"), ("blank", "", "", "no center"),
]:
    write_case(f"window_{name}", image(WindowCenter=center, WindowWidth=width), image(), note=note)
def replace_text(ds, old, new):
    """Returns the bytes of the image with another text, which pydicom would not write."""
    assert len(old) == len(new) and to_bytes(ds).count(old) == 1
    return to_bytes(ds).replace(old, new)


write_case("window_comma", replace_text(image(WindowCenter="2000.5", WindowWidth="3000"), b"2000.5", b"2000,5"), image(),
     note="no center")
write_case("window_second", image(WindowCenter=["90000", "2000"], WindowWidth=["10", "3000"]), image(**windowed),
     note="window 2 is used")
write_case("window_exponent", image(WindowCenter="2.0E+03 ", WindowWidth=" 3e3"), image(**windowed))
write_case("window_list", image(WindowCenter=["2000 ", " 9"], WindowWidth=["3000 ", "9 "]), image(**windowed))
write_case("window_below_1", image(RescaleSlope="0.0001", WindowCenter="0.2", WindowWidth="0.3"), image(),
     note="no width that is allowed")
write_case("window_one_missing", image(WindowCenter="2000"), image(), note="no center or no width")

# Outliers without a window: the other levels are those of the image without outliers.
def with_outlier(value):
    cells, usual = smooth(12) + 1000, smooth(12) + 1000
    cells[5, 7], usual[5, 7] = value, np.clip(value, cells.min(), cells.max())
    return image(cells, 16), image(usual, 16)


write_case("outlier_bright", *with_outlier(65535), note="1 of 240 pixels are outliers")
# A letter or a border of 2 and of 5 % of the pixels.
for count in 5, 12:
    cells = smooth(12) + 1000
    usual = cells.copy()
    cells[5, 4:4 + count], usual[5, 4:4 + count] = 65535, cells.max()
    write_case(f"letter_of_{count}_pixels", image(cells, 16), image(usual, 16), note=f"{count} of 240 pixels are outliers")
far = smooth(12) + 40000
far[3, 3] = 0
usual = smooth(12) + 40000
usual[3, 3] = usual.min()
write_case("outlier_dark", image(far, 16), image(usual, 16), note="1 of 240 pixels are outliers")

# Wrong lengths of the pixel data.
twelve = smooth(12).astype("<u2").tobytes()
half = np.frombuffer(twelve, np.uint8)[:240].reshape(12, 20).astype(int)
write_case("twice_as_long", image(bits=8, PixelData=twelve), image(half, 8),
     note="PixelData has 480 bytes, its rows, columns and bits need 240")
write_case("half_as_long", image(PixelData=twelve[:240]), error="PixelData is shorter")
y, x = np.mgrid[:40, :30]
oval = np.round(2000 + 1500 * np.sin(x / 7) * np.cos(y / 9)).astype(int)
write_case("rows_and_columns_exchanged", image(oval, Rows=30, Columns=40), image(oval.reshape(30, 40)),
     note="rows and columns exchanged")

# No pixels.
write_case("no_pixels", without_pixels(image()), error="the header of an image without a PixelData element")
write_case("empty_pixels", image(PixelData=b""), error="the PixelData element is empty")
write_case("float_pixels", without_pixels(image()) + element(0x7FE00008, "OF", bytes(4 * 240)), error="floating-point pixels")
write_case("pixels_elsewhere", without_pixels(image(PixelDataProviderURL="http://x")), error="names a server")
for name, number, what in [("report", "88.11", "a structured report"), ("presentation_state", "11.1", "a presentation"),
                           ("document", "104.1", "a document"), ("waveform", "9.1.1", "a waveform")]:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{number}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    write_case(name, ds, error=what)
write_case("cut_in_an_element", to_bytes(image())[:-100], error="the file ends before the picture does")

# Transfer syntaxes that contradict the data.
def with_syntax(ds, syntax, **encoding):
    """Returns the bytes in one encoding, with the transfer syntax of another in the header."""
    data = to_bytes(ds, **encoding)
    meta = with_elements(ds, PixelData=None)
    meta.file_meta.TransferSyntaxUID = syntax
    end_of_meta = lambda data: 144 + struct.unpack("<I", data[140:144])[0]
    header = to_bytes(meta)
    return header[: end_of_meta(header)] + data[end_of_meta(data):]


write_case("says_implicit_is_explicit", with_syntax(image(), uid.ImplicitVRLittleEndian), image(),
     note="says implicit elements, they are explicit")
write_case("says_explicit_is_implicit", with_syntax(image(), uid.ExplicitVRLittleEndian, implicit=True), image(),
     note="says explicit little-endian elements, they are implicit")
big = image()
big.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
big.PixelData = smooth(12).astype(">u2").tobytes()
big["PixelData"].VR = "OW"
write_case("says_little_is_big", with_syntax(big, uid.ExplicitVRLittleEndian, big=True), image(), note="they are explicit big-endian")
write_case("says_big_is_little", with_syntax(image(), uid.ExplicitVRBigEndian), image(), note="they are explicit little-endian")
write_case("says_deflated_is_not", with_syntax(image(), uid.DeflatedExplicitVRLittleEndian), image(), note="says deflated")
write_case("says_jpeg2000_is_native", with_syntax(image(), uid.JPEG2000Lossless), image(), note="the pixels are uncompressed")
baseline = io.BytesIO()
Image.fromarray(smooth(8).astype(np.uint8)).save(baseline, "JPEG", quality=95)
baseline = even(baseline.getvalue())
eight = image(bits=8)
JPEG_LEVELS = pydicom_levels(compressed(eight, uid.JPEGBaseline8Bit, baseline))
write_case("native_syntax_jpeg_fragments", with_syntax(compressed(eight, uid.JPEGBaseline8Bit, baseline), uid.ExplicitVRLittleEndian), JPEG_LEVELS,
     note="says uncompressed, the pixels are JPEG", allowed=2)
for name, (syntax, encode) in CODECS.items():
    write_case(f"native_syntax_{name}_fragments", with_syntax(compressed(image(plain), syntax, encode(plain)), uid.ExplicitVRLittleEndian),
         image(plain), note="says uncompressed, the pixels are ")
    bare = to_bytes(compressed(image(plain), syntax, even(encode(plain))))
    write_case(f"no_syntax_{name}_fragments", bare[144 + struct.unpack("<I", bare[140:144])[0]:], image(plain),
         note="there is no transfer syntax")
write_case("says_jpeg_is_jpeg2000", compressed(image(plain), uid.JPEGBaseline8Bit, even(j2k(plain, 12))), image(plain),
     note="says JPEG, the pixels are JPEG 2000")
write_case("fragments_of_no_codec", with_syntax(compressed(image(plain), uid.JPEG2000Lossless, plain.tobytes()), uid.ExplicitVRLittleEndian),
     error="name no codec")
# pydicom writes fragments under an uncompressed transfer syntax with a defined length.
write_case("fragments_of_defined_length", compressed(image(plain), uid.ExplicitVRLittleEndian, jpegls(plain)), image(plain),
     note="says uncompressed, the pixels are JPEG-LS")
loose = image(plain, PixelData=even(jpegls(plain)))
write_case("codestream_without_fragments", with_syntax(loose, uid.JPEGLSLossless), image(plain), note="not in fragments")
write_case("native_syntax_bare_codestream", with_syntax(loose, uid.ExplicitVRLittleEndian), image(plain),
     note="says uncompressed, the pixels are JPEG-LS")
write_case("says_jpeg2000_is_nothing", with_syntax(image(PixelData=bytes(100)), uid.JPEG2000Lossless), error="neither that nor")

# Headers with missing elements.
write_case("no_bits_stored", image(smooth(16), 16, BitsStored=None, HighBit=None), image(smooth(16), 16))
write_case("no_representation", image(PixelRepresentation=None), image())
write_case("no_bits_allocated", image(BitsAllocated=None), image(), note="BitsAllocated is missing: 16")
write_case("no_bits_at_all_8", image(bits=8, BitsAllocated=None, BitsStored=None, HighBit=None), image(bits=8),
     note="BitsAllocated is missing: 8")
write_case("no_photometric", image(PhotometricInterpretation=None, SamplesPerPixel=None), image())
write_case("frames_with_blank", image(NumberOfFrames="1 "), image())
write_case("slope_0", image(RescaleSlope="0", RescaleIntercept="0"), image(), note="rescale slope is 0")
write_case("slope_negative", image(RescaleSlope="-1", RescaleIntercept="4095"), image(RescaleSlope="-1", RescaleIntercept="4095"))
write_case("slope_of_text", replace_text(image(RescaleSlope="7531"), b"7531", b"none"), image(), note="rescale slope is 0 or no number")
inside = image(PixelPaddingValue=1234)
write_case("padding_inside", inside, inside)
cells = smooth(12) // 2 + 1000
cells[:2] = np.arange(40).reshape(2, 20) + 60
ranged = np.clip(cells, cells[2:].min(), None)
write_case("padding_range", image(cells, PixelPaddingValue=0, PixelPaddingRangeLimit=200), image(ranged))
write_case("all_padding", image(PixelPaddingValue=0, PixelPaddingRangeLimit=4095), image(), note="all pixels are padding")
write_case("inverted_with_table", image(PhotometricInterpretation="MONOCHROME1", VOILUTSequence=lookup_table(4096, 0, 12, curve)),
     image(PhotometricInterpretation="MONOCHROME1", VOILUTSequence=lookup_table(4096, 0, 12, curve)))

# Containers.
stream = even(jpegls(plain))
thirds = [stream[:70], stream[70:150], stream[150:]]
write_case("three_fragments", compressed(image(plain), uid.JPEGLSLossless, thirds), image(plain))
offsets = to_bytes(compressed(image(plain), uid.JPEGLSLossless, stream))
write_case("no_offset_table", offsets.replace(struct.pack("<HHI", 0xFFFE, 0xE000, 0), b"", 1), image(plain))
extended = compressed(image(plain), uid.JPEGLSLossless, stream)
extended.ExtendedOffsetTable, extended.ExtendedOffsetTableLengths = encapsulate_extended([stream])[1:]
write_case("extended_offset_table", extended, image(plain))
odd_stream = jpegls(plain)
odd_stream = odd_stream + bytes(1 - len(odd_stream) % 2)
whole = to_bytes(compressed(image(plain), uid.JPEGLSLossless, odd_stream))
even_item = struct.pack("<HHI", 0xFFFE, 0xE000, len(odd_stream) + 1) + odd_stream + b"\0"
assert even_item in whole
write_case("odd_fragment", whole.replace(even_item, struct.pack("<HHI", 0xFFFE, 0xE000, len(odd_stream)) + odd_stream),
     image(plain))
write_case("zeros_after_the_end", compressed(eight, uid.JPEGBaseline8Bit, baseline + bytes(64)), JPEG_LEVELS, allowed=2)
write_case("two_pictures", compressed(eight, uid.JPEGBaseline8Bit, [baseline, baseline]), JPEG_LEVELS, allowed=2,
     note="several fragments begin a picture")
write_case("boxes_around_jpeg2000", compressed(image(plain), uid.JPEG2000Lossless, even(
    imagecodecs.jpeg2k_encode(plain, codecformat="jp2", bitspersample=12, resolutions=2, reversible=True))), image(plain))
write_case("no_end_of_fragments", to_bytes(compressed(image(plain), uid.JPEGLSLossless, stream))[:-8],
     error="the file ends before the picture does")

# Elements.
odd_cells = smooth(8)[:11, :19]
odd_length = image(odd_cells, 8)
write_case("odd_length", without_pixels(odd_length) + element(PIXELS, "OB", odd_cells.astype(np.uint8).tobytes()), odd_length)
trailing = to_bytes(image()) + element(0xFFFCFFFC, "OB", bytes(100))
write_case("trailing_padding", trailing, image())
write_case("pixels_of_unknown_kind", without_pixels(image()) + element(PIXELS, "UN", twelve), image())
icon = Dataset()
icon.Rows = icon.Columns = 4
icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
icon.BitsAllocated = icon.BitsStored = 8
icon.HighBit, icon.PixelRepresentation, icon.PixelData = 7, 0, bytes(range(16))
icon["PixelData"].VR = "OB"
with_icon = image(IconImageSequence=Sequence([icon]))
write_case("icon", with_icon, image())
with_icon["IconImageSequence"].is_undefined_length = True
with_icon.IconImageSequence[0].is_undefined_length_sequence_item = True
write_case("icon_of_undefined_length", with_icon, image())
start = 144 + struct.unpack("<I", to_bytes(image())[140:144])[0]
valid = to_bytes(image())
write_case("group_lengths", valid[:start] + element(0x00080000, "UL", struct.pack("<I", 9999)) + valid[start:], image())
clash = (element(0x00090010, "LO", b"A ") + element(0x00090011, "LO", b"A ") + element(0x00091010, "UN", b"\x28\0\x10\0")
         + element(0x00091110, "US", b"\x10\0"))
at = valid.index(element(0x00100020, "LO", b"4711"))
write_case("private_clash", valid[:at] + clash + valid[at:], image())
unknown = struct.pack("<HH2sHI", 9, 0x1010, b"UN", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + (
    struct.pack("<HHI", 0x28, 0x10, 2) + b"\x07\0") + struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack(
    "<HHI", 0xFFFE, 0xE0DD, 0)
write_case("unknown_sequence", valid[:at] + unknown + valid[at:], image())
charset = image(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="x")
write_case("odd_characters", to_bytes(charset).replace(b"PN\x02\0x ", b"PN\x06\0\xff\x1b$B\xfe\\"), image())
write_case("no_preamble", valid[132:], image())
write_case("mark_without_preamble", valid[128:], image())
tiff = b"II*\0\x08\0\0\0\0\0\0\0"
write_case("preamble_of_a_tiff", tiff + bytes(128 - len(tiff)) + valid[128:], image())
big8 = image(bits=8)
big8.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
swapped = np.frombuffer(big8.PixelData, "<u2").astype(">u2").tobytes()
big8.PixelData = swapped
big8["PixelData"].VR = "OW"
write_case("big_endian_8_in_words", to_bytes(big8, big=True), image(bits=8))
write_case("mixed_explicit", valid.replace(element(0x00280010, "US", b"\x0c\0"), struct.pack("<HHI", 0x28, 0x10, 2) + b"\x0c\0"),
     image())

# Colours.
rgb = np.stack([smooth(8, seed) for seed in range(3)], axis=2)
narrow = rgb[:, :19]
write_case("planes_of_odd_width", image(narrow[:11], 8, PlanarConfiguration=1, PixelData=even(
    narrow[:11].astype(np.uint8).transpose(2, 0, 1).tobytes())), image(narrow[:11], 8))
ybr = dict(PhotometricInterpretation="YBR_FULL_422")
full = image(rgb, 8, PhotometricInterpretation="YBR_FULL")
write_case("says_422_is_full", image(rgb, 8, **ybr), full, note="every pixel has chroma", allowed=1)
halved = rgb[:, :, :2].astype(np.uint8).tobytes()
pairs = rgb[:, :, :2].astype(np.uint8).reshape(ROWS, COLUMNS // 2, 4)
spread = np.stack([pairs[:, :, :2].reshape(ROWS, COLUMNS)] + [np.repeat(pairs[:, :, i], 2, 1) for i in (2, 3)], axis=2)
spread = image(spread.astype(int), 8, PhotometricInterpretation="YBR_FULL")
write_case("says_full_is_422", image(rgb, 8, PhotometricInterpretation="YBR_FULL", PixelData=halved), spread,
     note="every second pixel has chroma", allowed=1)
write_case("ybr_422", image(rgb, 8, PixelData=halved, **ybr), spread, allowed=1)

plain_rgb = io.BytesIO()
Image.fromarray(rgb.astype(np.uint8)).save(plain_rgb, "JPEG", quality=98, subsampling=0, keep_rgb=True)
plain_rgb = even(plain_rgb.getvalue())
in_rgb = pydicom_levels(compressed(image(rgb, 8), uid.JPEGBaseline8Bit, plain_rgb))
write_case("says_ybr_is_rgb_jpeg", compressed(image(rgb, 8, PhotometricInterpretation="YBR_FULL"), uid.JPEGBaseline8Bit, plain_rgb),
     in_rgb, note="the JPEG is believed", allowed=2)

# Refused with the reason.
for name, bits in [("bits_1", 1), ("bits_12_packed", 12), ("bits_32", 32)]:
    write_case(name, image(BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1), error="samples of other than 8 or 16 bits")
write_case("cmyk", image(PhotometricInterpretation="CMYK"), error="its photometric interpretation")
write_case("stored_above_allocated", image(bits=8, BitsStored=12, HighBit=11), error="its bits do not fit")
write_case("grey_says_3_samples", image(SamplesPerPixel=3), error="its colours do not fit")
write_case("codestream_of_other_size", compressed(image(plain, Rows=20, Columns=12), uid.JPEGLSLossless, stream), error="")
colour_ls = even(imagecodecs.jpegls_encode(rgb.astype(np.uint8)))
write_case("jpegls_in_colour", compressed(image(rgb, 8), uid.JPEGLSLossless, colour_ls), error="JPEG-LS in colour")

known = {row["file"] for row in rows}
for path in folder.iterdir():
    if path.name not in known:
        path.unlink()
(here / "dicom_odd.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")

if "--table" in sys.argv:
    def by_pydicom(path, row):
        try:
            ds = pydicom.dcmread(path, force=True)
            levels = display_levels(ds)
        except Exception as e:
            return f"fails: {type(e).__name__}"
        return compare(levels, row)

    def compare(levels, row):
        if "levels" not in row:
            return f"mean {levels.mean():.0f}"
        expected = np.frombuffer(bytes.fromhex(row["levels"]), np.uint8)
        if levels.size != expected.size:
            return f"other shape {levels.shape}"
        differences = np.abs(levels.ravel().astype(int) - expected)
        return "equal" if differences.max() <= max(2, row["allowed"]) else f"differs: mean {levels.mean():.0f}, expected {expected.mean():.0f}"

    def by_dcmtk(path, row):
        """Uses the first window or VOI LUT, else the range of the values."""
        for window in (["+Wl", "1"], ["+Wi", "1"], ["+Wm"]):
            with tempfile.NamedTemporaryFile(suffix=".pnm") as out:
                for program in ("dcmj2pnm", "dcml2pnm"):
                    done = subprocess.run([program, "-q", "+op", *window, path, out.name], capture_output=True)
                    if done.returncode == 0:
                        return compare(np.asarray(Image.open(out.name)), row)
        return "fails"

    for row in rows:
        path = str(folder / row["file"])
        expected = f"refused: {row['error']}" if row["error"] is not None else "read" + (f", note: {row['note']}" if row["note"] else "")
        print("|", " | ".join([row["file"][:-4], by_pydicom(path, row), by_dcmtk(path, row), expected]), "|")
