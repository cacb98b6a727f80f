#include "common/time.h"

#define DAY_MS INT64_C(86400000)
#define WALL_MS_MIN INT64_C(-62167219200000) /* 0000-01-01 */
#define WALL_MS_MAX INT64_C(253402300799999) /* 9999-12-31 */

/* Civil dates by whole eras of 400 years; source: RFC 3339, appendix, and the proleptic Gregorian calendar. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static void put_digits(char **z, int width, int64_t v)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        (*z)[i] = (char)('0' + v % 10);
    *z += width;
}

void cw_rfc3339_format(int64_t wall_ms, char out[CW_RFC3339_BYTES])
{
    int64_t ms = CW_MAX(CW_MIN(wall_ms, WALL_MS_MAX), WALL_MS_MIN);
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0 ? 1 : 0);
    int64_t rest = ms - days * DAY_MS;
    int64_t year = 0, month = 0, day = 0;
    date_of_days(days, &year, &month, &day);
    const struct {
        int64_t value;
        int width;
        char after;
    } parts[] = {{year, 4, '-'},
                 {month, 2, '-'},
                 {day, 2, 'T'},
                 {rest / 3600000, 2, ':'},
                 {rest / 60000 % 60, 2, ':'},
                 {rest / 1000 % 60, 2, '.'},
                 {rest % 1000, 3, 'Z'}};
    char *z = out;
    for (size_t i = 0; i < CW_ARRAY_LEN(parts); i++) {
        put_digits(&z, parts[i].width, parts[i].value);
        *z++ = parts[i].after;
    }
    *z = '\0';
}

/* Exactly `width` digits at *z, which moves on. */
static bool read_digits(const char **z, int width, int64_t *ret_value)
{
    int64_t v = 0;
    for (int i = 0; i < width; i++, (*z)++) {
        if (**z < '0' || **z > '9')
            return false;
        v = v * 10 + (**z - '0');
    }
    *ret_value = v;
    return true;
}

static bool read_char(const char **z, char wanted)
{
    if (**z != wanted)
        return false;
    (*z)++;
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    if (month == 2)
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

struct fields {
    int64_t year, month, day, hour, minute, second;
};

static bool to_ms(const struct fields *f, int64_t *ret_ms)
{
    if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > days_in_month(f->year, f->month))
        return false;
    if (f->hour > 23 || f->minute > 59 || f->second > 60)
        return false;
    *ret_ms = days_of_date(f->year, f->month, f->day) * DAY_MS + f->hour * 3600000 + f->minute * 60000 +
              f->second * 1000;
    return true;
}

static bool read_clock_time(const char **z, struct fields *f)
{
    return read_digits(z, 2, &f->hour) && read_char(z, ':') && read_digits(z, 2, &f->minute) &&
           read_char(z, ':') && read_digits(z, 2, &f->second);
}

/* ".1234567": milliseconds, further digits are cut off. */
static bool read_fraction(const char **z, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (!read_char(z, '.'))
        return true;
    int64_t weight = 100;
    if (**z < '0' || **z > '9')
        return false;
    for (; **z >= '0' && **z <= '9'; (*z)++, weight /= 10)
        *ret_ms += (**z - '0') * weight;
    return true;
}

static bool read_offset(const char **z, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (read_char(z, 'Z') || read_char(z, 'z'))
        return true;
    int64_t sign = **z == '-' ? -1 : 1;
    int64_t hours = 0, minutes = 0;
    if (!read_char(z, '+') && !read_char(z, '-'))
        return false;
    if (!read_digits(z, 2, &hours) || !read_char(z, ':') || !read_digits(z, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_ms = sign * (hours * 3600000 + minutes * 60000);
    return true;
}

bool cw_rfc3339_parse(const char *z, int64_t *ret_wall_ms)
{
    struct fields f = {0};
    int64_t ms = 0, fraction_ms = 0, offset_ms = 0;
    if (z == NULL || !read_digits(&z, 4, &f.year) || !read_char(&z, '-') || !read_digits(&z, 2, &f.month) ||
        !read_char(&z, '-') || !read_digits(&z, 2, &f.day))
        return false;
    if (!read_char(&z, 'T') && !read_char(&z, 't'))
        return false;
    if (!read_clock_time(&z, &f) || !read_fraction(&z, &fraction_ms) || !read_offset(&z, &offset_ms) ||
        *z != '\0')
        return false;
    if (!to_ms(&f, &ms))
        return false;
    *ret_wall_ms = ms + fraction_ms - offset_ms;
    return true;
}

static bool read_name(const char **z, const char *names, int64_t *ret_index)
{
    for (int64_t i = 0; names[3 * i] != '\0'; i++) {
        if (strncmp(*z, names + 3 * i, 3) == 0) {
            *z += 3;
            *ret_index = i;
            return true;
        }
    }
    return false;
}

bool cw_http_date_parse(const char *z, int64_t *ret_wall_ms)
{
    struct fields f = {0};
    int64_t weekday = 0, month_index = 0;
    if (z == NULL || !read_name(&z, "MonTueWedThuFriSatSun", &weekday) || !read_char(&z, ',') ||
        !read_char(&z, ' '))
        return false;
    if (!read_digits(&z, 2, &f.day) || !read_char(&z, ' ') ||
        !read_name(&z, "JanFebMarAprMayJunJulAugSepOctNovDec", &month_index) || !read_char(&z, ' ') ||
        !read_digits(&z, 4, &f.year) || !read_char(&z, ' '))
        return false;
    if (!read_clock_time(&z, &f) || strcmp(z, " GMT") != 0)
        return false;
    f.month = month_index + 1;
    return to_ms(&f, ret_wall_ms);
}
