// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"

	"go.uber.org/zap"
)

// A RecoveryReport says what Open found and did. The directory quarantine keeps what was cut off or set
// aside, each with a report beside it, and reports of the seqs that are missing:
// {"file":"NAME","missing":[{"first":7,"last":9}]}.
type RecoveryReport struct {
	Facts   uint64   // how many the log holds
	LastSeq uint64   // the highest seq ever given; 0 if there is none
	Read    []string // files that were read whole: the active segment, and files without a valid index
	Removed []string // files that a crash left behind, and that the log does not need
	Cuts    []Cut    // what was cut off or set aside
	Missing []Gap    // seqs whose facts are lost after a repair; some of them may have been pruned before
}

// A Cut is bytes that Open took out of the log.
type Cut struct {
	File   string `json:"file"`   // the name of the file that had them
	Offset int64  `json:"offset"` // of the first one
	Bytes  int64  `json:"bytes"`  // how many
	Reason string `json:"reason"`
	Kept   string `json:"kept"` // where they are now, in the log's directory
}

// lost is the report, in the quarantine, of the facts of a file that are missing after a repair.
type lost struct {
	File    string `json:"file"`
	Missing []Gap  `json:"missing"`
}

// A Gap is the seqs from First to Last.
type Gap struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (g Gap) String() string { return fmt.Sprintf("%d-%d", g.First, g.Last) }

// log logs what an operator must know.
func (r *RecoveryReport) log(logger *zap.Logger, dir string) {
	fields := []zap.Field{zap.String("path", dir), zap.Uint64("facts", r.Facts), zap.Uint64("last_seq", r.LastSeq)}
	for _, c := range r.Cuts {
		logger.Warn("cut off bytes of the log", zap.String("path", dir), zap.String("file", c.File), zap.Int64("offset", c.Offset),
			zap.Int64("bytes", c.Bytes), zap.String("reason", c.Reason), zap.String("kept", c.Kept))
	}
	if len(r.Missing) > 0 {
		logger.Error("facts are missing", append(fields, zap.Stringers("seqs", r.Missing))...)
	}
	logger.Info("opened the log", append(fields, zap.Strings("read", r.Read), zap.Strings("removed", r.Removed))...)
}
