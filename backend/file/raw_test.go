package file

import (
	"testing"
)

// raw measures the disk: a loop that writes n bytes into a zero-filled file and syncs it.
func benchmarkRaw(b *testing.B, n int) {
	dir := b.TempDir()
	f, err := osFS{}.Create(dir + "/raw")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size = 64 << 20
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if err := writeAll(f, zeros[:], at); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, n)
	for i := range buf {
		buf[i] = byte(i)
	}
	at := int64(0)
	for b.Loop() {
		if at+int64(n) > size {
			at = 0
		}
		if err := writeAll(f, buf, at); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		at += int64(n)
	}
}

func BenchmarkRaw(b *testing.B) {
	b.Run("1", func(b *testing.B) { benchmarkRaw(b, 430) })
	b.Run("64", func(b *testing.B) { benchmarkRaw(b, 430*64) })
	b.Run("100", func(b *testing.B) { benchmarkRaw(b, 430*100) })
}
