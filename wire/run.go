package wire

import "bytes"

// Join returns run with frame after it, without a copy, if that is where frame stands in memory. Both
// must be slices of one block whose capacity was not cut.
func Join(run, frame []byte) (joined []byte, ok bool) {
	if len(run) == 0 {
		return frame, true
	}
	end := len(run) + len(frame)
	if len(frame) == 0 || cap(run) < end || &run[:end][len(run)] != &frame[0] {
		return run, false
	}
	return run[:end], true
}

// Seqs returns the seqs of the first and the last fact of a body that this codec wrote, be it one
// fact or a group, and how many facts it has; 0 for a body that has other than such facts.
func Seqs(body []byte) (first, last uint64, facts int) {
	if len(body) > 0 && body[0] == '{' {
		if first = Seq(body); first > 0 {
			facts = 1
		}
		return first, first, facts
	}
	if has(body, 0, "[\n") && has(body, len(body)-2, "\n]") {
		first = Seq(body[2:])
		last = Seq(body[bytes.LastIndexByte(body[:len(body)-2], '\n')+1:])
		if first > 0 && last >= first {
			return first, last, bytes.Count(body, []byte("\n")) - 1
		}
		return 0, 0, 0
	}
	all, err := ParseGroup(nil, body)
	if err != nil || len(all) == 0 || all[0].Seq == 0 {
		return 0, 0, 0
	}
	return all[0].Seq, all[len(all)-1].Seq, len(all)
}
