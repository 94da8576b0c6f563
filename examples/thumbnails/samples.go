package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
)

// writeSamples writes good images, corrupt ones, and a decompression bomb.
func writeSamples(root string) error {
	var good, photo bytes.Buffer
	if err := png.Encode(&good, pattern(640, 480)); err != nil {
		return err
	}
	if err := jpeg.Encode(&photo, pattern(300, 600), nil); err != nil {
		return err
	}
	for name, contents := range map[string][]byte{
		"good.png":         good.Bytes(),
		"photo.jpg":        photo.Bytes(),
		"album/good.png":   good.Bytes(),
		"album/cut.png":    good.Bytes()[:good.Len()/2],
		"text.jpeg":        []byte("this is no image at all"),
		"bomb.png":         bomb(30_000),
		"album/photo2.jpg": photo.Bytes(),
		"readme.txt":       []byte("not looked at"),
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, contents, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func pattern(width, height int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	return img
}

// bomb returns a valid PNG of side times side pixels, all black: with 30 000, some 900 MB
// of pixels in a hundred KB.
func bomb(side int) []byte {
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		out.Write(body)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(side))
	header = binary.BigEndian.AppendUint32(header, uint32(side))
	chunk("IHDR", append(header, 1, 0, 0, 0, 0)) // one bit for each pixel, gray
	var data bytes.Buffer
	compressor := zlib.NewWriter(&data)
	row := make([]byte, 1+(side+7)/8)
	for range side {
		_, _ = compressor.Write(row)
	}
	_ = compressor.Close()
	chunk("IDAT", data.Bytes())
	chunk("IEND", nil)
	return out.Bytes()
}
