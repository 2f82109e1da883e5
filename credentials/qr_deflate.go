package credentials

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Sizes of RFC 1951.
const (
	litSymbols  = 286 // literals, end of block, match lengths
	endOfBlock  = 256
	distSymbols = 30
	clSymbols   = 19 // symbols of the code that describes the other two
	maxCodeBits = 15
	maxClBits   = 7
	maxMatch    = 258
)

// deflater writes one dynamic block of deflate (RFC 1951) for data of one shape:
// groups of identical scanlines. The first of a group goes out as literals, the
// rest as matches at the distance of one scanline, so a single distance code is
// enough. Give it every group to count, plan and begin, give it every group again
// to write, and end.
type deflater struct {
	freq [litSymbols]uint32
	bits [litSymbols]uint8  // code lengths
	code [litSymbols]uint16 // codes, first bit lowest
	dist int                // distance code
	back uint32             // extra bits of the distance, and how many
	wide int

	writing bool // since begin

	dst  []byte
	acc  uint64
	have int

	s1, s2 uint32 // Adler-32 (RFC 1950)
}

// group counts or writes times copies of row.
func (d *deflater) group(row []byte, times int) {
	if d.writing {
		d.write(row, times)
	} else {
		d.count(row, times)
	}
}

// count adds the symbols of a group to the frequencies.
func (d *deflater) count(row []byte, times int) {
	for _, b := range row {
		d.freq[b]++
	}
	for rest := (times - 1) * len(row); rest > 0; {
		n := matchLength(rest)
		rest -= n
		symbol, _, _ := lengthCode(n)
		d.freq[symbol]++
	}
}

// plan makes the codes, for scanlines of stride bytes.
func (d *deflater) plan(stride int) {
	d.freq[endOfBlock] = 1
	codeLengths(d.freq[:], maxCodeBits, d.bits[:])
	canonicalCodes(d.bits[:], d.code[:])

	n := stride - 1 // RFC 1951 §3.2.5: distances count from 1
	d.wide = max(bits.Len(uint(n))-2, 0)
	d.dist = 2*d.wide + n>>d.wide
	d.back = uint32(n & (1<<d.wide - 1))
}

// begin starts the block after dst: its header and codes (RFC 1951 §3.2.7).
func (d *deflater) begin(dst []byte) {
	d.dst, d.s1, d.writing = dst, 1, true
	hlit := litSymbols
	for d.bits[hlit-1] == 0 {
		hlit--
	}
	// Both codes are described in one sequence; the only distance code has 1 bit.
	var lengths [litSymbols + distSymbols]uint8
	total := hlit + d.dist + 1
	copy(lengths[:], d.bits[:hlit])
	lengths[total-1] = 1

	var runs [litSymbols + distSymbols]clRun
	n := 0
	var freq [clSymbols]uint32
	for i := 0; i < total; n++ {
		run := nextRun(lengths[i:total])
		runs[n] = run
		freq[run.symbol]++
		i += int(run.length)
	}
	var clBits [clSymbols]uint8
	var clCode [clSymbols]uint16
	codeLengths(freq[:], maxClBits, clBits[:])
	canonicalCodes(clBits[:], clCode[:])

	order := [clSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	hclen := clSymbols
	for clBits[order[hclen-1]] == 0 {
		hclen--
	}
	d.put(1, 1) // last block
	d.put(2, 2) // dynamic codes
	d.put(uint32(hlit-257), 5)
	d.put(uint32(d.dist), 5)
	d.put(uint32(hclen-4), 4)
	for _, symbol := range order[:hclen] {
		d.put(uint32(clBits[symbol]), 3)
	}
	for _, run := range runs[:n] {
		d.put(uint32(clCode[run.symbol]), int(clBits[run.symbol]))
		d.put(uint32(run.extra), int(run.wide))
	}
}

// write appends the symbols of a group and adds it to the checksum.
func (d *deflater) write(row []byte, times int) {
	// As put does, with the state in registers: this is the inner loop.
	acc, have := d.acc, d.have
	for _, b := range row {
		acc |= uint64(d.code[b]) << (have & 63)
		if have += int(d.bits[b]); have >= 32 {
			d.dst = binary.LittleEndian.AppendUint32(d.dst, uint32(acc))
			acc >>= 32
			have -= 32
		}
	}
	d.acc, d.have = acc, have
	for rest := (times - 1) * len(row); rest > 0; {
		n := matchLength(rest)
		rest -= n
		symbol, extra, wide := lengthCode(n)
		d.put(uint32(d.code[symbol]), int(d.bits[symbol]))
		d.put(extra, wide)
		d.put(0, 1) // the only distance code
		d.put(d.back, d.wide)
	}
	d.sum(row, times)
}

// end closes the block and returns what was written.
func (d *deflater) end() []byte {
	d.put(uint32(d.code[endOfBlock]), int(d.bits[endOfBlock]))
	for ; d.have > 0; d.have -= 8 {
		d.dst = append(d.dst, byte(d.acc))
		d.acc >>= 8
	}
	return d.dst
}

// put appends the n lowest bits of v, n at most 16; the rest of v is zero.
func (d *deflater) put(v uint32, n int) {
	d.acc |= uint64(v) << d.have
	if d.have += n; d.have >= 32 {
		d.dst = binary.LittleEndian.AppendUint32(d.dst, uint32(d.acc))
		d.acc >>= 32
		d.have -= 32
	}
}

// sum adds times copies of row to the Adler-32 without reading it that often:
// over n bytes s1 grows by their sum, and s2 by n times s1 plus a weighted sum
// that depends on the bytes alone.
func (d *deflater) sum(row []byte, times int) {
	const mod = 65521
	var s, w uint32
	for _, b := range row { // at most 741 bytes: neither sum overflows
		s += uint32(b)
		w += s
	}
	s, w = s%mod, w%mod
	n := uint32(len(row))
	for range times {
		d.s2 = (d.s2 + n*d.s1 + w) % mod
		d.s1 = (d.s1 + s) % mod
	}
}

func (d *deflater) adler() uint32 { return d.s2<<16 | d.s1 }

// matchLength returns the length of the next match of rest bytes, so that what
// remains is no shorter than 3, the shortest match.
func matchLength(rest int) int {
	if rest > maxMatch && rest < maxMatch+3 {
		return rest - 3
	}
	return min(rest, maxMatch)
}

// lengthCode returns the symbol of a match length, its extra bits and how many
// there are (RFC 1951 §3.2.5).
func lengthCode(n int) (symbol int, extra uint32, wide int) {
	if n == maxMatch {
		return litSymbols - 1, 0, 0
	}
	n -= 3
	wide = max(bits.Len(uint(n))-3, 0)
	return 257 + 4*wide + n>>wide, uint32(n & (1<<wide - 1)), wide
}

// clRun is one symbol of the code description, and how many lengths it stands
// for.
type clRun struct{ symbol, extra, wide, length uint8 }

// nextRun returns the longest run at the start of lengths (RFC 1951 §3.2.7).
func nextRun(lengths []uint8) clRun {
	n := 1
	for n < len(lengths) && lengths[n] == lengths[0] {
		n++
	}
	if lengths[0] == 0 {
		switch n = min(n, 138); {
		case n >= 11:
			return clRun{18, uint8(n - 11), 7, uint8(n)}
		case n >= 3:
			return clRun{17, uint8(n - 3), 3, uint8(n)}
		}
	}
	// Symbol 16 repeats the length before; rows rarely have such runs.
	return clRun{lengths[0], 0, 0, 1}
}

// codeLengths sets lengths to those of a Huffman code for freq of at most limit
// bits. Symbols without frequency have length 0; there are at least two others.
func codeLengths(freq []uint32, limit int, lengths []uint8) {
	type leaf struct {
		freq   uint32
		symbol uint16
	}
	var leaves [litSymbols]leaf
	n := 0
	for symbol, f := range freq {
		lengths[symbol] = 0
		if f > 0 {
			leaves[n] = leaf{f, uint16(symbol)}
			n++
		}
	}
	slices.SortFunc(leaves[:n], func(a, b leaf) int {
		return cmp.Or(cmp.Compare(a.freq, b.freq), cmp.Compare(a.symbol, b.symbol))
	})
	for {
		// Two queues, both in order: leaves, and the nodes made so far. Node i
		// has number n+i.
		var weight [litSymbols]uint32
		var parent [2 * litSymbols]uint16
		l, m := 0, 0 // next leaf, next node
		for made := range n - 1 {
			for range 2 {
				child := n + m
				if l < n && (m == made || leaves[l].freq <= weight[m]) {
					child = l
					weight[made] += leaves[l].freq
					l++
				} else {
					weight[made] += weight[m]
					m++
				}
				parent[child] = uint16(n + made)
			}
		}
		var depth [2 * litSymbols]uint8
		for i := 2*n - 3; i >= 0; i-- {
			depth[i] = depth[parent[i]] + 1
		}
		// The rarest leaf is deepest. Flatter frequencies keep their order.
		if int(depth[0]) <= limit {
			for i, leaf := range leaves[:n] {
				lengths[leaf.symbol] = depth[i]
			}
			return
		}
		for i := range leaves[:n] {
			leaves[i].freq = leaves[i].freq/2 + 1
		}
	}
}

// canonicalCodes sets codes to the canonical code of lengths (RFC 1951 §3.2.2),
// each reversed, because deflate sends codes first bit first.
func canonicalCodes(lengths []uint8, codes []uint16) {
	var next [maxCodeBits + 2]uint16
	for _, n := range lengths {
		if n > 0 {
			next[n+1]++
		}
	}
	for n := 1; n < len(next); n++ {
		next[n] = (next[n] + next[n-1]) << 1
	}
	for symbol, n := range lengths {
		if n > 0 {
			codes[symbol] = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
}
