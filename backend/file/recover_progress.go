package file

// A progress tells how far Open has come.
type progress struct {
	tell        func(done, total int64)
	done, total int64
}

// begin tells how much there is to do.
func (p *progress) begin(segments []*segment) {
	for _, s := range segments {
		p.total += s.Size
	}
	p.tell(0, p.total)
}

// advance tells that n more bytes are done. After a repair, files are read again, which does not count.
func (p *progress) advance(n int64) {
	p.done = min(p.done+n, p.total)
	p.tell(p.done, p.total)
}
