package file

// An opening tells how far Open is.
type opening struct {
	tell        func(done, total int64)
	done, total int64
}

// begin says what there is to do.
func (o *opening) begin(pieces []*piece) {
	for _, p := range pieces {
		o.total += p.size
	}
	o.tell(0, o.total)
}

// advance says that some bytes more are done with. After a repair, pieces are looked at again, which tells nothing.
func (o *opening) advance(n int64) {
	o.done = min(o.done+n, o.total)
	o.tell(o.done, o.total)
}
