/* The C interface of a video plug-in. A plug-in is a shared library that exports
 *   const PolderVideoPlugin* polder_video_plugin(void);
 * Polder loads it at run time, so that codecs under other licences are never linked into it.
 * All times are microseconds, all pixels 8-bit RGB. One reader or writer serves one thread at a
 * time. Errors are texts, cut to fit `error`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define POLDER_VIDEO_ABI 1u

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PolderVideoReader PolderVideoReader;
typedef struct PolderVideoWriter PolderVideoWriter;

typedef struct PolderVideoInfo {
  int32_t width, height;
  double frame_rate; /* frames a second; 0: unknown */
  int64_t frames;    /* as the file states; 0: unknown */
} PolderVideoInfo;

typedef struct PolderVideoFrame {
  int64_t t_us;          /* presentation time, from the first frame */
  int64_t encoded_bytes; /* read from the file since the frame before */
} PolderVideoFrame;

typedef struct PolderVideoFormat {
  int32_t width, height; /* even */
  double frame_rate;
  int32_t quality; /* 1 best … 51 smallest */
  int32_t threads;
} PolderVideoFormat;

/* Where a writer puts its bytes; both return 0, or -1 on failure. */
typedef struct PolderVideoOutput {
  void* user;
  int (*write)(void* user, const uint8_t* bytes, int size);
  int (*seek)(void* user, int64_t offset);
} PolderVideoOutput;

typedef struct PolderVideoPlugin {
  uint32_t abi; /* POLDER_VIDEO_ABI */
  const char* name;
  /* NULL on failure. */
  PolderVideoReader* (*open)(const char* path, PolderVideoInfo* info, char* error, size_t size);
  /* Decodes the next frame to rgb (height rows of stride bytes): 1 done, 0 end of file, -1 failure.
   */
  int (*read)(PolderVideoReader*, uint8_t* rgb, int stride, PolderVideoFrame* frame, char* error,
              size_t size);
  void (*close)(PolderVideoReader*);
  /* An MP4 file. NULL on failure. */
  PolderVideoWriter* (*create)(const PolderVideoFormat* format, const PolderVideoOutput* output,
                               char* error, size_t size);
  /* Encodes one frame; t_us rises. 0 done, -1 failure. */
  int (*write)(PolderVideoWriter*, const uint8_t* rgb, int stride, int64_t t_us, char* error,
               size_t size);
  /* Writes what is still buffered and the index. 0 done, -1 failure. */
  int (*finish)(PolderVideoWriter*, char* error, size_t size);
  void (*discard)(PolderVideoWriter*); /* frees it, finished or not */
} PolderVideoPlugin;

const PolderVideoPlugin* polder_video_plugin(void);

#ifdef __cplusplus
}
#endif
