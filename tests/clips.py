"""Small videos whose truth is known, and their files."""

from fractions import Fraction

import av
import cv2
import numpy as np

SIZE = (48, 64)  # height and width of a frame


def texture(height, width, seed=0):
    """Smooth colours with structure at several sizes, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    shown = np.zeros((height, width, 3))
    for side in (4, 8, 16):
        coarse = rng.uniform(-60, 60, (height // side + 2, width // side + 2, 3))
        size = ((width // side + 2) * side, (height // side + 2) * side)
        large = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
        shown += large[:height, :width]
    return np.uint8(np.clip(shown + 128, 0, 255))


def pan(frames, shift=2, size=SIZE, seed=0):
    """A camera that moves by whole pixels to the right, uint8 (T, H, W, 3)."""
    height, width = size
    picture = texture(height, width + shift * frames, seed)
    shown = (picture[:, shift * i : shift * i + width] for i in range(frames))
    return np.stack(list(shown))


def square(frames, side=12):
    """A hole in the middle of every frame, uint8 (T, H, W)."""
    holes = np.zeros(frames.shape[:3], np.uint8)
    top, left = (frames.shape[1] - side) // 2, (frames.shape[2] - side) // 2
    holes[:, top : top + side, left : left + side] = 1
    return holes


def write(
    path,
    frames,
    *,
    codec="ffv1",
    pixels="bgr0",
    rate=25,
    times=None,
    rotation=0,
    sound=None,
    options=None,
):
    """Writes frames as a video file.

    Args:
        times: of the frames, in 1/600 s; evenly by default.
        rotation: degrees in the file, the frames are stored as they are.
        sound: codec of a tone as long as the frames at 25 a second.
    """
    with av.open(str(path), "w") as output:
        video = output.add_stream(codec, rate=rate, options=options or {})
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = pixels
        base = Fraction(1, 600)
        video.time_base = video.codec_context.time_base = base
        if rotation:
            video.set_display_rotation(rotation)
        if sound:
            tone = output.add_stream(sound, rate=16000, layout="mono")
        for i, pixel in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixel), "rgb24")
            frame.pts = times[i] if times else i * 600 // rate
            frame.time_base = base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound:
            count = 16000 * len(frames) // 25
            wave = 8000 * np.sin(np.arange(count) / 8)
            samples = av.AudioFrame.from_ndarray(np.int16(wave)[None], "s16", "mono")
            samples.sample_rate, samples.pts = 16000, 0
            resampler = av.AudioResampler(tone.codec_context.format, "mono", 16000)
            for part in resampler.resample(samples):
                output.mux(tone.encode(part))
            output.mux(tone.encode(None))
    return path


def read(path):
    """The frames of a video file as they are stored, uint8 (T, H, W, 3)."""
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        )


def sounds(path):
    """The packets of a file's first sound as (seconds, bytes)."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets if p.size]


def psnr(truth, found, where):
    """In dB, over some of the pixels."""
    error = np.float64(truth[where]) - found[where]
    return 10 * np.log10(255**2 / max(np.mean(error**2), 1e-9))
