-- Tell why bytes can not be the id of a run: too long, unprintable, or the name of a control channel. Else nil.
local function not_usable(id)
  if #id == 0 or #id > 256 then return 'an id has 1 to 256 bytes' end
  if string.find(id, '%c') then return 'an id is printable' end
  if string.sub(id, -8) == '-control' then return 'an id does not end in -control' end
  if string.find(id, '[\128-\255]') then -- what is left without the well-formed characters is no UTF-8
    local left = id
    for _, character in ipairs({
      '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
      '\237[\128-\159][\128-\191]', '\240[\144-\191][\128-\191][\128-\191]',
      '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
    }) do
      left = string.gsub(left, character, ' ') -- a blank, so that what stood round it does not join
    end
    if string.find(left, '[\128-\255]') then return 'an id is UTF-8' end
  end
end
