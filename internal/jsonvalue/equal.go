package jsonvalue

// AppendEqual appends JSON in a form that is the same for values that are equal: the canonical one, with
// numbers written by their value.
func AppendEqual(dst, src []byte, depth int) ([]byte, error) {
	start := len(dst)
	dst, err := AppendCanonical(dst, src, depth)
	if err != nil || equalAlready(dst[start:]) {
		return dst, err
	}
	form := append([]byte(nil), dst[start:]...)
	dst = dst[:start]
	for i := 0; i < len(form); {
		end := i + 1
		switch c := form[i]; {
		case c == '"':
			end = Skip(form, i)
		case c == '-' || c >= '0' && c <= '9':
			end = Skip(form, i)
			var buf [32]byte
			dst = ParseNumber(form[i:end], buf[:0]).Append(dst)
			i = end
			continue
		}
		dst = append(dst, form[i:end]...)
		i = end
	}
	return dst, nil
}

// equalAlready reports whether canonical JSON is one value in the form of AppendEqual without more ado: a
// string, a word, or a short integer.
func equalAlready(form []byte) bool {
	switch c := form[0]; {
	case c == '"' || c == 't' || c == 'f' || c == 'n':
		return true
	case c >= '1' && c <= '9' && len(form) < maxPlain:
		for _, c := range form {
			if c < '0' || c > '9' {
				return false
			}
		}
		return true
	}
	return false
}
