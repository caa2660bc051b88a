// The video plug-in on libav. A shared library of its own, loaded at run time and linked by
// nothing: Debian builds libav under the GPL.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "pipeline/video/plugin_abi.h"

namespace {

constexpr int kMaxSide = 16384;
constexpr int kWriteBuffer = 1 << 16;
constexpr AVRational kMicroseconds{1, 1'000'000};

void tell(char* error, size_t size, const std::string& text) {
  if (size) std::snprintf(error, size, "%s", text.c_str());
}

std::string av_text(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof(text));
  return text;
}

template <class T, void (*kFree)(T**)>
struct FreeBy {
  void operator()(T* object) const { kFree(&object); }
};
using Codec = std::unique_ptr<AVCodecContext, FreeBy<AVCodecContext, avcodec_free_context>>;
using Frame = std::unique_ptr<AVFrame, FreeBy<AVFrame, av_frame_free>>;
using Packet = std::unique_ptr<AVPacket, FreeBy<AVPacket, av_packet_free>>;
using Input = std::unique_ptr<AVFormatContext, FreeBy<AVFormatContext, avformat_close_input>>;
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

}  // namespace

struct PolderVideoReader {
  Input input;
  Codec codec;
  Scaler scaler;
  Packet packet{av_packet_alloc()};
  Frame frame{av_frame_alloc()};
  int stream = -1, width = 0, height = 0;
  int64_t encoded_bytes = 0, first_us = AV_NOPTS_VALUE, last_us = -1, frame_us = 0;
  int64_t stated_end_us = 0, end_us = 0;  // of the longest stream, stated (0: not) and read
  bool flushing = false;
};

struct PolderVideoWriter {
  PolderVideoOutput output{};
  AVIOContext* io = nullptr;
  AVFormatContext* format = nullptr;
  AVStream* stream = nullptr;
  Codec codec;
  Scaler scaler;
  Frame frame{av_frame_alloc()};
  Packet packet{av_packet_alloc()};
  int64_t position = 0, end = 0, last_pts = -1;
  bool failed = false;

  ~PolderVideoWriter() {
    if (io) {
      av_freep(&io->buffer);
      avio_context_free(&io);
    }
    if (format) avformat_free_context(format);
  }
};

namespace {

// --- reading ---

int open_decoder(PolderVideoReader& reader, std::string& problem) {
  const AVCodec* decoder = nullptr;
  reader.stream = av_find_best_stream(reader.input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (reader.stream < 0 || !decoder) return problem = "it holds no video that libav can decode", -1;
  const AVStream* stream = reader.input->streams[reader.stream];
  reader.codec.reset(avcodec_alloc_context3(decoder));
  if (!reader.codec) return problem = "out of memory", -1;
  int code = avcodec_parameters_to_context(reader.codec.get(), stream->codecpar);
  reader.codec->thread_count = 1;
  reader.codec->pkt_timebase = stream->time_base;
  if (code >= 0) code = avcodec_open2(reader.codec.get(), decoder, nullptr);
  if (code < 0) return problem = av_text(code), -1;
  reader.width = reader.codec->width;
  reader.height = reader.codec->height;
  if (reader.width < 1 || reader.height < 1 || reader.width > kMaxSide || reader.height > kMaxSide)
    return problem = "its pictures are " + std::to_string(reader.width) + "x" +
                     std::to_string(reader.height) + "; 1 to 16384 a side are accepted",
           -1;
  return 0;
}

// Matroska does not count frames, but its header holds the length. Other formats have libav guess a
// length from what is there, which tells nothing about what is missing.
int64_t stated_end(const AVFormatContext& input) {
  const bool is_matroska = std::strstr(input.iformat->name, "matroska") != nullptr;
  return is_matroska && input.duration_estimation_method == AVFMT_DURATION_FROM_STREAM
             ? std::max<int64_t>(input.duration, 0)
             : 0;
}

void note_end(PolderVideoReader& reader) {
  const AVPacket& packet = *reader.packet;
  const int64_t begin = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
  if (begin == AV_NOPTS_VALUE) return;
  const AVRational base = reader.input->streams[packet.stream_index]->time_base;
  reader.end_us =
      std::max(reader.end_us, av_rescale_q(begin + packet.duration, base, kMicroseconds));
}

PolderVideoReader* reader_open(const char* path, PolderVideoInfo* info, char* error, size_t size) {
  av_log_set_level(AV_LOG_QUIET);
  auto reader = std::make_unique<PolderVideoReader>();
  AVFormatContext* input = nullptr;
  int code = avformat_open_input(&input, path, nullptr, nullptr);
  reader->input.reset(input);
  if (code >= 0) code = avformat_find_stream_info(input, nullptr);
  if (code < 0)
    return tell(error, size, "not a video that libav can read: " + av_text(code)), nullptr;
  std::string problem;
  if (open_decoder(*reader, problem) < 0) return tell(error, size, problem), nullptr;
  const AVStream* stream = input->streams[reader->stream];
  AVRational rate = av_guess_frame_rate(input, input->streams[reader->stream], nullptr);
  info->width = reader->width;
  info->height = reader->height;
  info->frame_rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
  info->frames = std::max<int64_t>(stream->nb_frames, 0);
  if (info->frames == 0) reader->stated_end_us = stated_end(*input);
  reader->frame_us = info->frame_rate > 0 ? int64_t(1e6 / info->frame_rate) : 40'000;
  return reader.release();
}

// Hands the decoder the next packet of the stream: 0 done, or an AVERROR.
int feed(PolderVideoReader& reader) {
  for (;;) {
    int code = av_read_frame(reader.input.get(), reader.packet.get());
    if (code == AVERROR_EOF) {
      reader.flushing = true;
      return avcodec_send_packet(reader.codec.get(), nullptr);
    }
    if (code < 0) return code;
    const bool ours = reader.packet->stream_index == reader.stream;
    reader.encoded_bytes += reader.packet->size;
    note_end(reader);
    if (ours) code = avcodec_send_packet(reader.codec.get(), reader.packet.get());
    av_packet_unref(reader.packet.get());
    if (ours) return code;
  }
}

int64_t time_of(PolderVideoReader& reader) {
  const AVStream* stream = reader.input->streams[reader.stream];
  int64_t t_us = reader.last_us + reader.frame_us;
  if (reader.frame->best_effort_timestamp != AV_NOPTS_VALUE) {
    t_us = av_rescale_q(reader.frame->best_effort_timestamp, stream->time_base, kMicroseconds);
    if (reader.first_us == AV_NOPTS_VALUE) reader.first_us = t_us;
    t_us -= reader.first_us;
  }
  return std::max(t_us, reader.last_us + 1);  // strictly rising, whatever the file says
}

int convert(PolderVideoReader& reader, uint8_t* rgb, int stride) {
  const AVFrame& frame = *reader.frame;
  if (frame.width != reader.width || frame.height != reader.height) return -1;
  reader.scaler.reset(sws_getCachedContext(reader.scaler.release(), frame.width, frame.height,
                                           AVPixelFormat(frame.format), frame.width, frame.height,
                                           AV_PIX_FMT_RGB24, SWS_POINT, nullptr, nullptr, nullptr));
  if (!reader.scaler) return -1;
  uint8_t* planes[4] = {rgb};
  const int strides[4] = {stride};
  return sws_scale(reader.scaler.get(), frame.data, frame.linesize, 0, frame.height, planes,
                   strides);
}

int reader_read(PolderVideoReader* reader, uint8_t* rgb, int stride, PolderVideoFrame* out,
                char* error, size_t size) {
  for (;;) {
    int code = avcodec_receive_frame(reader->codec.get(), reader->frame.get());
    if (code == AVERROR_EOF) {
      if (reader->stated_end_us <= reader->end_us + 2 * reader->frame_us) return 0;
      char text[96];
      std::snprintf(text, sizeof(text), "the file is cut short: it ends at %.1f s of %.1f s",
                    double(reader->end_us) * 1e-6, double(reader->stated_end_us) * 1e-6);
      return tell(error, size, text), -1;
    }
    if (code == AVERROR(EAGAIN)) {
      code = feed(*reader);
      if (code >= 0) continue;
    }
    if (code < 0) return tell(error, size, "the data is damaged: " + av_text(code)), -1;
    if (convert(*reader, rgb, stride) < 0)
      return tell(error, size, "the pictures change their size or format"), -1;
    out->t_us = reader->last_us = time_of(*reader);
    out->encoded_bytes = reader->encoded_bytes;
    reader->encoded_bytes = 0;
    av_frame_unref(reader->frame.get());
    return 1;
  }
}

void reader_close(PolderVideoReader* reader) { delete reader; }

// --- writing ---

int io_write(void* opaque, uint8_t* bytes, int size) {
  auto& writer = *static_cast<PolderVideoWriter*>(opaque);
  if (writer.failed || writer.output.write(writer.output.user, bytes, size) != 0) {
    writer.failed = true;
    return AVERROR(EIO);
  }
  writer.position += size;
  writer.end = std::max(writer.end, writer.position);
  return size;
}

int64_t io_seek(void* opaque, int64_t offset, int whence) {
  auto& writer = *static_cast<PolderVideoWriter*>(opaque);
  if (whence == AVSEEK_SIZE) return writer.end;
  if (whence == SEEK_CUR) offset += writer.position;
  if (whence == SEEK_END) offset += writer.end;
  if (writer.output.seek(writer.output.user, offset) != 0) return AVERROR(EIO);
  return writer.position = offset;
}

Codec open_encoder(const PolderVideoFormat& format, const char* name, int flags) {
  const AVCodec* encoder = avcodec_find_encoder_by_name(name);
  if (!encoder) return nullptr;
  Codec codec(avcodec_alloc_context3(encoder));
  if (!codec) return nullptr;
  codec->width = format.width;
  codec->height = format.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->time_base = kMicroseconds;
  if (encoder->id == AV_CODEC_ID_MPEG4) codec->time_base = {1, 1000};  // at most 16 bits
  codec->framerate = av_d2q(format.frame_rate, 100'000);
  codec->gop_size = std::max(1, int(format.frame_rate * 5));
  codec->max_b_frames = 0;
  codec->thread_count = format.threads;
  codec->flags |= flags;
  av_opt_set(codec->priv_data, "preset", "superfast", 0);
  av_opt_set_int(codec->priv_data, "crf", format.quality, 0);
  if (encoder->id == AV_CODEC_ID_MPEG4) {
    codec->flags |= AV_CODEC_FLAG_QSCALE;
    codec->global_quality = FF_QP2LAMBDA * std::clamp(format.quality / 5, 1, 31);
  }
  if (avcodec_open2(codec.get(), encoder, nullptr) < 0) return nullptr;
  return codec;
}

int open_container(PolderVideoWriter& writer, const PolderVideoFormat& format,
                   std::string& problem) {
  int code = avformat_alloc_output_context2(&writer.format, nullptr, "mp4", nullptr);
  if (code < 0) return problem = av_text(code), -1;
  const int flags =
      writer.format->oformat->flags & AVFMT_GLOBALHEADER ? AV_CODEC_FLAG_GLOBAL_HEADER : 0;
  for (const char* name : {"libx264", "mpeg4"})
    if (!writer.codec) writer.codec = open_encoder(format, name, flags);
  if (!writer.codec) return problem = "this libav has neither libx264 nor mpeg4 to encode with", -1;
  auto* buffer = static_cast<uint8_t*>(av_malloc(kWriteBuffer));
  writer.io = avio_alloc_context(buffer, kWriteBuffer, 1, &writer, nullptr, io_write, io_seek);
  writer.stream = avformat_new_stream(writer.format, nullptr);
  if (!writer.io || !writer.stream) return problem = "out of memory", -1;
  writer.format->pb = writer.io;
  writer.stream->time_base = writer.codec->time_base;
  writer.stream->avg_frame_rate = writer.codec->framerate;
  avcodec_parameters_from_context(writer.stream->codecpar, writer.codec.get());
  code = avformat_write_header(writer.format, nullptr);
  if (code < 0) return problem = av_text(code), -1;
  return 0;
}

PolderVideoWriter* writer_create(const PolderVideoFormat* format, const PolderVideoOutput* output,
                                 char* error, size_t size) {
  av_log_set_level(AV_LOG_QUIET);
  auto writer = std::make_unique<PolderVideoWriter>();
  writer->output = *output;
  std::string problem;
  if (open_container(*writer, *format, problem) < 0) return tell(error, size, problem), nullptr;
  AVFrame& frame = *writer->frame;
  frame.format = AV_PIX_FMT_YUV420P;
  frame.width = format->width;
  frame.height = format->height;
  writer->scaler.reset(sws_getContext(format->width, format->height, AV_PIX_FMT_RGB24,
                                      format->width, format->height, AV_PIX_FMT_YUV420P, SWS_POINT,
                                      nullptr, nullptr, nullptr));
  if (!writer->scaler || av_frame_get_buffer(&frame, 0) < 0)
    return tell(error, size, "out of memory"), nullptr;
  return writer.release();
}

// Sends a frame (or the end) to the encoder and its packets to the file.
int encode(PolderVideoWriter& writer, const AVFrame* frame) {
  int code = avcodec_send_frame(writer.codec.get(), frame);
  while (code >= 0) {
    code = avcodec_receive_packet(writer.codec.get(), writer.packet.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return 0;
    if (code < 0) break;
    av_packet_rescale_ts(writer.packet.get(), writer.codec->time_base, writer.stream->time_base);
    writer.packet->stream_index = writer.stream->index;
    code = av_interleaved_write_frame(writer.format, writer.packet.get());
    if (code >= 0 && writer.failed) code = AVERROR(EIO);
  }
  return code;
}

int writer_write(PolderVideoWriter* writer, const uint8_t* rgb, int stride, int64_t t_us,
                 char* error, size_t size) {
  AVFrame& frame = *writer->frame;
  int code = av_frame_make_writable(&frame);
  if (code >= 0) {
    const uint8_t* planes[4] = {rgb};
    const int strides[4] = {stride};
    sws_scale(writer->scaler.get(), planes, strides, 0, frame.height, frame.data, frame.linesize);
    const int64_t pts = av_rescale_q(t_us, kMicroseconds, writer->codec->time_base);
    frame.pts = writer->last_pts = std::max(pts, writer->last_pts + 1);
    code = encode(*writer, &frame);
  }
  if (code < 0) return tell(error, size, av_text(code)), -1;
  return 0;
}

int writer_finish(PolderVideoWriter* writer, char* error, size_t size) {
  int code = encode(*writer, nullptr);
  if (code >= 0) code = av_write_trailer(writer->format);
  avio_flush(writer->io);
  if (code >= 0 && writer->failed) code = AVERROR(EIO);
  if (code < 0) return tell(error, size, av_text(code)), -1;
  return 0;
}

void writer_discard(PolderVideoWriter* writer) { delete writer; }

constexpr PolderVideoPlugin kPlugin = {
    POLDER_VIDEO_ABI, "libav",      reader_open,   reader_read,    reader_close,
    writer_create,    writer_write, writer_finish, writer_discard,
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const PolderVideoPlugin* polder_video_plugin(
    void) {
  return &kPlugin;
}
