"""What goes into each model: for every name in parity.TABLE a function that yields Samples."""
import csv
import dataclasses
import io
import tarfile
import typing
import wave

import av
import numpy as np

RANDOM_SAMPLES = 2


@dataclasses.dataclass
class Sample:
    kind: str
    feeds: dict
    arguments: list = dataclasses.field(default_factory=list)  # more for `polder run`
    polder_feeds: dict | None = None  # where Polder's own state differs from the peer's
    after: typing.Callable | None = None  # gets both sides' outputs


# Real pictures, video and sound

def frames_of(path):
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame


def resized(frame, height, width):
    """A frame or picture as f32 [height, width, 3], 0 to 255."""
    frame = frame.reformat(width=width, height=height, format="rgb24")
    return frame.to_ndarray().astype(np.float32)


def picture(path, height, width):
    return resized(next(frames_of(path)), height, width)


def scene_texts(models):
    return sorted(models.glob("scenetext*.jpg"))


def video_frames(models, numbers):
    wanted = set(numbers)
    for number, frame in enumerate(frames_of(models / "vtest.avi")):
        if number in wanted:
            yield frame
        if number >= max(wanted):
            return


def speech(models, name="speech_0870.wav"):
    """Mono samples from -1 to 1 at 16 kHz."""
    with wave.open(str(models / name)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        raw = file.readframes(file.getnframes())
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def random(shape, seed, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def noise(shape, seed):
    """Random [height, width, channels] of unit variance with details of every size, as pictures
    have. A network made for pictures is ill-conditioned on white noise, and may saturate."""
    generator = np.random.default_rng(seed)
    height, width, channels = shape
    total, size = np.zeros(shape), 1
    while size <= max(height, width):
        blocks = generator.standard_normal((-(-height // size), -(-width // size), channels))
        total += blocks.repeat(size, 0).repeat(size, 1)[:height, :width]
        size *= 2
    return (total / total.std()).astype(np.float32)


def random_samples(name, shape, low=-1.0, high=1.0):
    for seed in range(RANDOM_SAMPLES):
        yield Sample("random", {name: random(shape, seed, low, high)})


def batch(image):
    return np.ascontiguousarray(image[np.newaxis])


# TFLite

def ssd_mobilenet_v2(models, _):
    name = "normalized_input_image_tensor"
    yield from random_samples(name, (1, 300, 300, 3))
    for frame in video_frames(models, (0, 150, 400)):
        whole = resized(frame, 576, 768)
        for left in (0, 192):  # the demo's two overlapping tiles
            tile = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(whole[:, left:left + 576]).astype(np.uint8), "rgb24")
            yield Sample("video", {name: batch(resized(tile, 300, 300) / 127.5 - 1)})


def pose_landmark_lite(models, _):
    frames = [resized(frame, 256, 256) / 255 for frame in video_frames(models, (20, 200))]
    for seed, frame in enumerate(frames):
        noisy = np.clip(frame + noise(frame.shape, seed) / 10, 0, 1).astype(np.float32)
        yield Sample("video and noise", {"input_1": batch(noisy)})
    for frame in frames:
        yield Sample("video", {"input_1": batch(frame)})


def vww_f32(models, _):
    yield from random_samples("input_1", (1, 96, 96, 3), 0)
    for frame in video_frames(models, (10, 100, 300)):
        yield Sample("video", {"input_1": batch(resized(frame, 96, 96) / 255)})


def cifar10(data, count):
    """`count` test images of CIFAR-10, the classes in turn, f32 0 to 255."""
    with tarfile.open(data / "cifar10" / "test.tar") as tar:
        members = [m for m in tar.getmembers() if m.name.endswith(".jpg")]
        members.sort(key=lambda m: (m.name.rsplit("/", 1)[1], m.name))
        for member in members[:count]:
            content = io.BytesIO(tar.extractfile(member).read())
            with av.open(content, format="image2pipe") as container:
                yield resized(next(container.decode(video=0)), 32, 32)


def ic_f32(_, data):
    yield from random_samples("input_1", (1, 32, 32, 3), 0, 255)
    for image in cifar10(data, 20):
        yield Sample("cifar-10", {"input_1": batch(image)})


def mel_filters(bands, bins, rate):
    """Triangles that rise and fall evenly on the mel scale, [bands, bins]."""
    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)
    edges = np.linspace(mel(0), mel(rate / 2), bands + 2)
    at = mel(np.linspace(0, rate / 2, bins))[np.newaxis]
    rise = (at - edges[:-2, np.newaxis]) / (edges[1:-1] - edges[:-2])[:, np.newaxis]
    fall = (edges[2:, np.newaxis] - at) / (edges[2:] - edges[1:-1])[:, np.newaxis]
    return np.maximum(0, np.minimum(rise, fall))


def ad_f32(models, _):
    """The features of the suite: five frames of 128 log-mel energies, here of speech."""
    yield from random_samples("input_1", (1, 640), -60, 0)
    sound, window, hop = speech(models), 1024, 512
    starts = range(0, len(sound) - window, hop)
    frames = np.stack([sound[s:s + window] * np.hanning(window) for s in starts])
    power = np.abs(np.fft.rfft(frames)) ** 2
    mels = 10 * np.log10(power @ mel_filters(128, power.shape[1], 16000).T + 1e-6)
    for i in range(0, min(len(mels) - 5, 50), 5):
        yield Sample("speech", {"input_1": mels[i:i + 5].reshape(1, 640).astype(np.float32)})


def kws01(data):
    """The suite's 1,000 features as f32 [n, 49, 10, 1], and their labels."""
    import peers
    folder = data / "mlperf-tiny"
    int8 = peers.Interpreter(str(folder / "models" / "kws_int8.tflite"))
    scale, zero = int8.get_input_details()[0]["quantization"]
    features = np.load(folder / "kws01" / "features_int8.npy").astype(np.float32)
    with open(folder / "kws01" / "labels.csv", newline="") as file:
        labels = [int(row[1]) for row in csv.reader(file)]  # index, class, file
    assert len(labels) == len(features) == 1000
    return (features - np.float32(zero)) * np.float32(scale), labels


def kws_f32(_, data):
    yield from random_samples("input_1", (1, 49, 10, 1), -100, 100)
    for feature in kws01(data)[0][::50]:
        yield Sample("kws01", {"input_1": batch(feature)})


# ONNX

def image_net(models):
    """The convolutional networks of torchvision all take the same input."""
    for seed in range(RANDOM_SAMPLES):
        yield Sample("random", {"input": batch(noise((224, 224, 3), seed).transpose(2, 0, 1))})
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)
    for path in scene_texts(models)[:3]:
        image = (picture(path, 224, 224) / 255 - mean) / deviation
        yield Sample("pictures", {"input": batch(image.transpose(2, 0, 1))})


def mobilenet_v2(models, _):
    return image_net(models)


def resnet18(models, _):
    return image_net(models)


def efficientnet_b0(models, _):
    return image_net(models)


def ppocr_v4_det(models, _):
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)

    def sample(kind, value):
        shape = "x=" + ",".join(map(str, value.shape))
        return Sample(kind, {"x": value}, ["--shape", shape])

    texts = scene_texts(models)
    for kind, path, (height, width) in [
            ("with noise", texts[3], (64, 96)), ("with noise", texts[4], (320, 320)),
            ("picture", texts[0], (320, 320)), ("picture", texts[1], (256, 480)),
            ("picture", texts[2], (480, 640))]:
        image = (picture(path, height, width) / 255 - mean) / deviation
        if kind == "with noise":
            image += noise(image.shape, height) / 2
        yield sample(f"{kind} {height}x{width}", batch(image.transpose(2, 0, 1)))


def silero_steps(kind, sound, rate, steps, bound=True):
    """Chunks with the end of the chunk before; each side goes on from its own state. Not bound, the
    rate is an input of each run and Polder has compiled the networks of both."""
    size, context = (512, 64) if rate == 16000 else (256, 32)
    states = dict.fromkeys(("polder", "peer"), np.zeros((2, 1, 128), np.float32))

    def keep(ours, theirs):
        states["peer"] = theirs["stateN"]
        states["polder"] = ours.get("stateN", states["polder"])

    padded = np.concatenate([np.zeros(context, np.float32), sound])
    for step in range(steps):
        chunk = padded[np.newaxis, step * size:step * size + size + context]
        shared = {"input": np.ascontiguousarray(chunk), "sr": np.array(rate, np.int64)}
        own = {**shared, "state": states["polder"]}
        arguments = ["--bound", "input[0]=2", "--bound", "input[1]=576", "--bound", "state[1]=2"]
        if bound:
            del own["sr"]
            arguments = ["--shape", f"input=1,{size + context}", "--shape", "state=2,1,128",
                         "--bind", f"sr={rate}"]
        yield Sample(f"{kind} at {rate} Hz", {**shared, "state": states["peer"]}, arguments, own,
                     keep)


def silero_vad_v5(models, _):
    sound = speech(models)
    yield from silero_steps("random", random(512 * 4, 1), 16000, 4)
    yield from silero_steps("speech", sound, 16000, 30)
    halved = sound[:len(sound) // 2 * 2].reshape(-1, 2).mean(axis=1)  # 8 kHz, near enough
    yield from silero_steps("speech", halved, 8000, 30)
    for samples, rate in (sound, 16000), (halved, 8000):
        yield from silero_steps("all free: speech", samples, rate, 5, bound=False)
