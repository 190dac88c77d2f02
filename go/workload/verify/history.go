package verify

// A Record is a write that is to be checked.
type Record struct {
	File   int
	Length int
	Block
	ended bool
}

// A History remembers writes until they have been checked, in the order in which they were made. A write that
// was overwritten, in part or as a whole, is forgotten. It is for one goroutine.
type History struct {
	unit    int64 // no write is shorter or lies otherwise
	records []Record
	first   int       // of those not yet checked
	owner   [][]int32 // per file and unit: the latest write's index + 1
}

// NewHistory makes an empty history of files of the given sizes. Writes are multiples of unit, wherever.
func NewHistory(sizes []int64, unit int64) *History {
	h := &History{unit: unit}
	for _, size := range sizes {
		h.owner = append(h.owner, make([]int32, size/unit+2))
	}
	return h
}

// InFlight says that a write to a range has not ended, so that what the range will hold is not known yet.
func (h *History) InFlight(file int, offset int64, length int) bool {
	for unit := offset / h.unit; unit*h.unit < offset+int64(length); unit++ {
		if owner := h.ownerOf(file, unit); owner > 0 && !h.records[owner-1].ended {
			return true
		}
	}
	return false
}

func (h *History) ownerOf(file int, unit int64) int32 {
	if unit >= int64(len(h.owner[file])) {
		return 0
	}
	return h.owner[file][unit]
}

// Begin notes a write and returns its index for End.
func (h *History) Begin(r Record) int {
	h.records = append(h.records, r)
	for unit := r.Offset / h.unit; unit*h.unit < r.Offset+int64(r.Length); unit++ {
		if unit < int64(len(h.owner[r.File])) {
			h.owner[r.File][unit] = int32(len(h.records))
		}
	}
	return len(h.records) - 1
}

// End notes that a write has ended; one that failed is not checked.
func (h *History) End(index int, written bool) {
	h.records[index].ended = true
	if !written {
		h.records[index].Length = 0
	}
}

// Waiting is how many writes are to be checked.
func (h *History) Waiting() int { return len(h.records) - h.first }

// Next gives the next write to check. It is false when there is none.
func (h *History) Next() (*Record, bool) {
	for h.first < len(h.records) {
		r := &h.records[h.first]
		h.first++
		if r.Length > 0 && h.stands(r, int32(h.first)) {
			return r, true
		}
	}
	return nil, false
}

// stands says that nothing has overwritten a write.
func (h *History) stands(r *Record, index int32) bool {
	for unit := r.Offset / h.unit; unit*h.unit < r.Offset+int64(r.Length); unit++ {
		if unit < int64(len(h.owner[r.File])) && h.owner[r.File][unit] != index {
			return false
		}
	}
	return true
}

// Forget begins anew: what was written is about to be written again.
func (h *History) Forget() {
	h.records, h.first = h.records[:0], 0
	for _, owner := range h.owner {
		clear(owner)
	}
}
