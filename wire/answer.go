package wire

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A Place is what a log says of a fact that was written to it.
type Place struct {
	Seq             uint64
	Causation       string
	TransactionTime time.Time

	// Fact is the fact as the log holds it, where that is another than what was written or it was
	// held already; nil: it is what was written.
	Fact *backend.Fact
}

// PlaceOf returns the place of a fact as the log holds it. What was written is sent back only if the
// log held the fact already, which duplicate says.
func PlaceOf(f *backend.Fact, duplicate bool) Place {
	p := Place{Seq: f.Seq, Causation: f.Causation, TransactionTime: f.TransactionTime}
	if duplicate {
		p.Fact = f
	}
	return p
}

// In returns the fact that the log holds, for one that was written.
func (p Place) In(f backend.Fact) backend.Fact {
	if p.Fact != nil {
		return *p.Fact
	}
	f.Seq, f.Causation, f.TransactionTime = p.Seq, p.Causation, p.TransactionTime
	return f
}

// An answer is an object that begins like this.
const (
	okPrefix    = `{"ok":true`
	placePrefix = `,"seq":`
	batchPrefix = `{"ok":true,"facts":[`
)

// AppendOK appends the answer of version 1 to what was done and has nothing to tell. An id, of a request
// that has one, is repeated as the last key, here and in the functions below; nil: none.
func AppendOK(dst, id []byte) []byte { return CloseAnswer(OpenAnswer(dst), id) }

// OpenAnswer begins an answer to which fields are then appended, each after a comma, and which
// [CloseAnswer] completes.
func OpenAnswer(dst []byte) []byte { return append(dst, okPrefix...) }

// CloseAnswer completes an answer.
func CloseAnswer(dst, id []byte) []byte {
	if id != nil {
		dst = append(append(dst, `,"request_id":`...), id...)
	}
	return append(dst, '}')
}

// AppendNumber appends a field with a whole number to an answer.
func AppendNumber(dst []byte, name string, n uint64) []byte {
	dst = append(append(append(dst, ',', '"'), name...), `":`...)
	return strconv.AppendUint(dst, n, 10)
}

// AppendWritten appends the answer to a fact that was written.
func AppendWritten(dst []byte, p Place, id []byte) []byte {
	return CloseAnswer(appendPlaceFields(OpenAnswer(dst), p), id)
}

// AppendWrittenBatch appends the answer to a batch that was written.
func AppendWrittenBatch(dst []byte, places []Place, id []byte) []byte {
	dst = append(dst, batchPrefix...)
	for i, p := range places {
		dst = appendComma(dst, i)
		start := len(dst)
		dst = appendPlaceFields(dst, p)
		dst[start] = '{' // in the place of the comma
		dst = append(dst, '}')
	}
	return CloseAnswer(append(dst, ']'), id)
}

func appendPlaceFields(dst []byte, p Place) []byte {
	dst = append(dst, placePrefix...)
	dst = strconv.AppendUint(dst, p.Seq, 10)
	dst = append(dst, `,"causation":`...)
	dst = appendTextOrNull(dst, p.Causation)
	dst = append(dst, `,"transaction_time":`...)
	dst = AppendTime(dst, p.TransactionTime)
	if p.Fact != nil {
		dst = append(dst, `,"duplicate":true,"fact":`...)
		dst = AppendFact(dst, p.Fact)
	}
	return dst
}

// ParseWritten parses the answer to a fact that was written.
func ParseWritten(body []byte) (Place, error) {
	if p, ok := quickPlace(body); ok {
		return p, nil
	}
	if err := ParseAnswer(body, nil); err != nil {
		return Place{}, err
	}
	return parsePlace(TrimSpace(body))
}

// quickPlace parses what AppendWritten makes of a place without a fact.
func quickPlace(body []byte) (p Place, ok bool) {
	if !has(body, 0, okPrefix+placePrefix) {
		return p, false
	}
	i := len(okPrefix + placePrefix)
	end := numberEnd(body, i)
	if p.Seq, ok = parseUint(body[i:end]); !ok || p.Seq == 0 {
		return p, false
	}
	if i = end; has(body, i, `,"causation":null`) {
		i += len(`,"causation":null`)
	} else if p.Causation, i, ok = ownText(body, i, `,"causation":"`); !ok {
		return p, false
	}
	if !has(body, i, `,"transaction_time":`) {
		return p, false
	}
	i += len(`,"transaction_time":`)
	end = numberEnd(body, i)
	p.TransactionTime, ok = parseTime(body[i:end])
	return p, ok && end == len(body)-1 && body[end] == '}'
}

func parsePlace(object []byte) (p Place, err error) {
	if object[0] != '{' {
		return p, &backend.InvalidError{Field: "facts", Reason: quote(object) + " says of no fact where it is"}
	}
	for name, v := range members(object) {
		switch name {
		case "seq":
			var ok bool
			if p.Seq, ok = parseUint(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: quote(v) + " is no place in a log"}
			}
		case "causation":
			if string(v) != "null" {
				p.Causation, err = text(name, v)
			}
		case "transaction_time":
			p.TransactionTime, err = parseTimeOf(name, v)
		case "fact":
			var f backend.Fact
			f, err = parseWhole(v)
			p.Fact = &f
		}
		if err != nil {
			return Place{}, err
		}
	}
	if p.Seq == 0 {
		return Place{}, &backend.InvalidError{Field: "seq", Reason: "missing in an answer"}
	}
	return p, nil
}

// ParseWrittenBatch parses the answer to a batch of n facts that was written.
func ParseWrittenBatch(body []byte, n int) ([]Place, error) {
	facts, err := factsIn(body)
	if err != nil {
		return nil, err
	}
	places := make([]Place, 0, n)
	for _, v := range elements(facts) {
		p, err := parsePlace(v)
		if err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	if len(places) != n {
		return nil, &backend.InvalidError{Field: "facts", Reason: "an answer about " + strconv.Itoa(len(places)) + " facts of " + strconv.Itoa(n)}
	}
	return places, nil
}

// factsIn returns the facts of an answer, which is well-formed: an array, or anything.
func factsIn(body []byte) ([]byte, error) {
	if has(body, 0, batchPrefix) {
		if err := backend.CheckJSON(body, maxBodyDepth); err != nil {
			return nil, &backend.InvalidError{Field: "answer", Reason: err.Error()}
		}
		return body[len(batchPrefix)-1:], nil
	}
	var answer struct{ Facts json.RawMessage }
	err := ParseAnswer(body, &answer)
	return answer.Facts, err
}

// ParseAnswer parses an answer into a struct, as encoding/json does; nil: only whether it is one. An
// answer that says that the request failed is the error that it tells of, see [ParseError]. What is
// no answer is a *backend.InvalidError.
func ParseAnswer(body []byte, into any) error {
	if err := backend.CheckJSON(body, maxBodyDepth); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	var head struct{ OK *bool }
	if err := json.Unmarshal(body, &head); err != nil || head.OK == nil {
		return &backend.InvalidError{Field: "answer", Reason: quote(body) + " says neither that the request was done nor that it failed"}
	}
	if !*head.OK {
		return ParseError(body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	return nil
}

// A Welcome is the answer to [OpHello].
type Welcome struct {
	Protocol int      `json:"protocol"`
	Server   string   `json:"server"`    // how it calls itself
	LastSeq  uint64   `json:"last_seq"`  // of its log
	MaxFrame int      `json:"max_frame"` // bytes of a request that it takes
	Features []string `json:"features"`  // the optional ops that its backend supports
}

// AppendWelcome appends the answer to OpHello.
func AppendWelcome(dst []byte, w Welcome, id []byte) []byte {
	text, _ := json.Marshal(w) // numbers and texts: it can't fail
	dst = append(OpenAnswer(dst), ',')
	return CloseAnswer(append(dst, text[1:len(text)-1]...), id)
}

// AppendStats appends what an answer says of a log, as fields after others.
func AppendStats(dst []byte, s *backend.Stats) []byte {
	dst = AppendNumber(dst, "first_seq", s.FirstSeq)
	dst = AppendNumber(dst, "last_seq", s.LastSeq)
	dst = AppendNumber(dst, "facts", s.Facts)
	dst = AppendNumber(dst, "bytes", s.Bytes)
	dst = AppendNumber(dst, "durable_seq", s.DurableSeq)
	if s.Storage != nil {
		text, _ := json.Marshal((*storage)(s.Storage)) // numbers and a time: it can't fail
		dst = append(append(dst, `,"storage":`...), text...)
	}
	return dst
}

// ParseStats parses the answer to [OpStats] of version 2.
func ParseStats(body []byte) (backend.Stats, error) {
	var a struct {
		FirstSeq   uint64   `json:"first_seq"`
		LastSeq    uint64   `json:"last_seq"`
		Facts      uint64   `json:"facts"`
		Bytes      uint64   `json:"bytes"`
		DurableSeq uint64   `json:"durable_seq"`
		Storage    *storage `json:"storage"`
	}
	err := ParseAnswer(body, &a)
	return backend.Stats{FirstSeq: a.FirstSeq, LastSeq: a.LastSeq, Facts: a.Facts, Bytes: a.Bytes, DurableSeq: a.DurableSeq,
		Storage: (*backend.Storage)(a.Storage)}, err
}

// storage is a backend.Storage with the names of its JSON form.
type storage struct {
	Segments        int       `json:"segments"`
	Snapshots       int       `json:"snapshots"`
	SegmentBytes    uint64    `json:"segment_bytes"`
	SnapshotBytes   uint64    `json:"snapshot_bytes"`
	IndexBytes      uint64    `json:"index_bytes"`
	AheadBytes      uint64    `json:"ahead_bytes"`
	QuarantineBytes uint64    `json:"quarantine_bytes"`
	LastSync        time.Time `json:"last_sync"`
	Groups          uint64    `json:"groups"`
	Grouped         uint64    `json:"grouped"`
}
