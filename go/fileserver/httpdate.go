package fileserver

// Names in HTTP dates, RFC 9110 section 5.6.7; weekdays start with the epoch's.
const (
	weekdayNames = "ThuFriSatSunMonTueWed"
	monthNames   = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// secondsPerDay has no leap seconds, as Unix time has none.
const secondsPerDay = 86400

// longWeekdays are the names RFC 850 dates spell out.
var longWeekdays = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// civil turns days since the epoch into a date. It counts in eras of 400
// years that begin in March, so that the leap day comes last; floor division
// by hand keeps dates before the epoch right.
func civil(days int64) (year int64, month, day int) {
	z := days + 719468 // 1 March of the year 0
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// daysBefore is the inverse of civil for years from 0 up.
func daysBefore(year int64, month, day int) int64 {
	mp := int64(month - 3)
	if month < 3 {
		year--
		mp = int64(month + 9)
	}
	era := year / 400
	if year < 0 {
		era = -1
	}
	yoe := year - era*400
	doy := (153*mp+2)/5 + int64(day) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// The seconds an IMF-fixdate, with its four digits of a year, can express.
const (
	minDate = -62167219200 // 0000-01-01T00:00:00Z
	maxDate = 253402300799 // 9999-12-31T23:59:59Z
)

// appendDate appends Unix seconds as IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
func appendDate(dst []byte, unix int64) []byte {
	unix = max(minDate, min(unix, maxDate))
	days, second := unix/secondsPerDay, int(unix%secondsPerDay)
	if second < 0 {
		days, second = days-1, second+secondsPerDay
	}
	year, month, day := civil(days)
	weekday := int(days % 7)
	if weekday < 0 {
		weekday += 7
	}
	dst = append(dst, weekdayNames[3*weekday:3*weekday+3]...)
	dst = append(dst, ',', ' ')
	dst = append(appendTwo(dst, day), ' ')
	dst = append(dst, monthNames[3*month-3:3*month]...)
	dst = appendTwo(append(dst, ' '), int(year/100))
	dst = appendTwo(dst, int(year%100))
	dst = appendTwo(append(dst, ' '), second/3600)
	dst = appendTwo(append(dst, ':'), second/60%60)
	dst = appendTwo(append(dst, ':'), second%60)
	return append(dst, " GMT"...)
}

// appendTwo appends two decimal digits.
func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// parseDate reads an HTTP date in any of its three forms into Unix seconds.
// now, in Unix seconds, decides the century of the form with two digits.
func parseDate(b []byte, now int64) (unix int64, ok bool) {
	switch {
	case len(b) == 29 && b[3] == ',':
		return parseIMF(b)
	case len(b) == 24 && b[3] == ' ':
		return parseAsctime(b)
	}
	return parseRFC850(b, now)
}

// parseIMF reads "Sun, 06 Nov 1994 08:49:37 GMT".
func parseIMF(b []byte) (int64, bool) {
	if !isWeekday(b[:3]) || b[4] != ' ' || b[7] != ' ' || b[11] != ' ' || b[16] != ' ' || string(b[25:]) != " GMT" {
		return 0, false
	}
	century, year := two(b[12:]), two(b[14:])
	if century < 0 || year < 0 {
		return 0, false
	}
	return timestamp(int64(century*100+year), monthOf(b[8:11]), two(b[5:]), b[17:25])
}

// parseAsctime reads "Sun Nov  6 08:49:37 1994".
func parseAsctime(b []byte) (int64, bool) {
	if !isWeekday(b[:3]) || b[7] != ' ' || b[10] != ' ' || b[19] != ' ' {
		return 0, false
	}
	day := two(b[8:])
	if b[8] == ' ' {
		day = int(b[9]) - '0'
	}
	century, year := two(b[20:]), two(b[22:])
	if century < 0 || year < 0 {
		return 0, false
	}
	return timestamp(int64(century*100+year), monthOf(b[4:7]), day, b[11:19])
}

// parseRFC850 reads "Sunday, 06-Nov-94 08:49:37 GMT". A year that looks more
// than 50 years ahead is the one before it with the same digits.
func parseRFC850(b []byte, now int64) (int64, bool) {
	comma := len(b) - len(", 06-Nov-94 08:49:37 GMT")
	if comma < 0 || !isLongWeekday(b[:comma]) {
		return 0, false
	}
	b = b[comma:]
	if string(b[:2]) != ", " || b[4] != '-' || b[8] != '-' || b[11] != ' ' || string(b[20:]) != " GMT" {
		return 0, false
	}
	year := int64(two(b[9:]))
	if year < 0 {
		return 0, false
	}
	thisYear, _, _ := civil(now / secondsPerDay)
	year += thisYear - thisYear%100
	if year > thisYear+50 {
		year -= 100
	}
	return timestamp(year, monthOf(b[5:8]), two(b[2:]), b[12:20])
}

// timestamp puts a date and a "08:49:37" together, checking both. Second 60 is
// a leap second, which counts as the next minute's first.
func timestamp(year int64, month, day int, clock []byte) (int64, bool) {
	if month == 0 || day < 1 || day > daysIn(year, month) || clock[2] != ':' || clock[5] != ':' {
		return 0, false
	}
	h, m, s := two(clock), two(clock[3:]), two(clock[6:])
	if h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 {
		return 0, false
	}
	return daysBefore(year, month, day)*secondsPerDay + int64(h*3600+m*60+s), true
}

// two reads two decimal digits; negative when they are none.
func two(b []byte) int {
	high, low := b[0]-'0', b[1]-'0'
	if high > 9 || low > 9 {
		return -1
	}
	return int(high)*10 + int(low)
}

// monthOf gives 1 to 12 for a month's name, else 0.
func monthOf(b []byte) int {
	for m := range 12 {
		if string(b) == monthNames[3*m:3*m+3] {
			return m + 1
		}
	}
	return 0
}

// isWeekday reports whether b is a weekday's short name. It need not be the
// date's own: nothing hangs on it.
func isWeekday(b []byte) bool {
	for d := range 7 {
		if string(b) == weekdayNames[3*d:3*d+3] {
			return true
		}
	}
	return false
}

// isLongWeekday reports whether b is a weekday's full name.
func isLongWeekday(b []byte) bool {
	for _, name := range longWeekdays {
		if string(b) == name {
			return true
		}
	}
	return false
}

// daysIn is the length of a month.
func daysIn(year int64, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
