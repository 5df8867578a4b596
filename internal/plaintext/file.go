// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile limits the bytes of a file of settings.
const maxFile = 16 << 20

// patience limits the time that the writer of a pipe may take.
const patience = 5 * time.Second

// ReadFile reads a file of settings, such as tokens or certificates. The file may be a pipe, such as a shell makes; a pipe
// without a writer reads as empty. A file of more than 16 MiB, such as a device without an end, is an error.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_ = f.SetReadDeadline(time.Now().Add(patience)) // other files than pipes have no deadline, and need none
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("read %s: it has more than %d MiB", path, maxFile>>20)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}
